"""What the tests of TLS share."""

from collections.abc import Iterator

import pytest

from tests.secured import Secured, secured_server


@pytest.fixture(scope="session")
def secured() -> Iterator[Secured]:
    """One server with TLS a process; each test has it serve what it needs first."""
    with secured_server() as running:
        yield running
