"""Worlds that the tests of the schema share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.database.server import system_binaries
from tests.programs import require
from tests.schema.workshop import Workshop
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


@pytest.fixture(scope="module")
def begun(gallery: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database that the workshop's first migration was applied to."""
    with gallery.copy() as database:
        made = Workshop(gallery, tmp_path_factory.mktemp("begun"), database)
        made.prepare()
        answer = made.migrate()
        assert answer.returncode == 0, answer.stderr
        yield database


@pytest.fixture
def workshop(gallery: World, begun: str, tmp_path: Path) -> Iterator[Workshop]:
    with gallery.copy(begun) as database:
        made = Workshop(gallery, tmp_path, database)
        made.prepare()
        yield made
