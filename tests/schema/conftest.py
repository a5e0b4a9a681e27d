"""Worlds that the tests of the schema share."""

from collections.abc import Iterator

import pytest

from apps.database.server import system_binaries
from tests.programs import require
from tests.schema.world import World, migrated, world


@pytest.fixture(scope="session")
def gallery() -> Iterator[World]:
    """The embedded server with a database that the gallery was migrated into."""
    with world() as made:
        yield migrated(made)


@pytest.fixture(scope="session")
def system_gallery() -> Iterator[World]:
    """The same on the PostgreSQL of the operating system's packages."""
    binaries = system_binaries()
    require(binaries is not None, "PostgreSQL of the operating system's packages")
    with world(binaries) as made:
        yield migrated(made)
