"""What every test shares: one cluster a process, and the application as the app role."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connections

from apps.database.roles import provision
from apps.database.server import Cluster
from tests import environment


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The running cluster of this test process, with the three roles and the test database."""
    with environment.cluster as running:
        with running.connect() as admin:
            provision(admin, environment.DATABASE, environment.roles)
        yield running


@pytest.fixture(scope="session")
def django_db_setup(cluster: Cluster, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """In place of pytest-django's: app may not create databases, so the owner migrates ours."""
    with django_db_blocker.unblock():
        call_command("migrate", verbosity=0, interactive=False)
    yield
    with django_db_blocker.unblock():
        connections.close_all()
