"""A server whose log is watched, and a table that every payload would like to change."""

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client
from psycopg.sql import SQL, Identifier

from apps.accounts.models import User
from apps.database.server import Cluster
from tests import environment
from tests.injection.payloads import SLEEP_SECONDS

# What Django's `__regex` answers to a value that is no pattern.
PATTERN = "invalid regular expression"
WITNESS = [("one",), ("two",), ("three",)]


@dataclass
class Watch:
    """What the server saw since the watch began."""

    cluster: Cluster
    start: int
    # Tables that rightly grow, such as the admin's record of what people did.
    growing: set[str] = field(default_factory=set)
    # Words of errors that are no answer to a payload.
    expected: tuple[str, ...] = ()

    def complaints(self) -> list[str]:
        """Every error that a statement met, such as one of syntax; a pattern is a value."""
        with self.cluster.log.open("rb") as log:
            log.seek(self.start)
            lines = log.read().decode(errors="replace").splitlines()
        harmless = (PATTERN, *self.expected)
        return [
            line
            for line in lines
            if "ERROR:" in line and not any(words in line for words in harmless)
        ]

    def witness(self) -> list[tuple[Any, ...]]:
        with self.cluster.connect(environment.DATABASE) as admin:
            return admin.execute("SELECT word FROM injection_witness ORDER BY ctid").fetchall()

    def counts(self) -> dict[str, int]:
        """The rows of every table."""
        with self.cluster.connect(environment.DATABASE) as admin:
            names = admin.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
            ).fetchall()
            counted = {}
            for (name,) in names:
                row = admin.execute(
                    SQL("SELECT count(*) FROM {}").format(Identifier(name))
                ).fetchone()
                counted[name] = row[0] if row else 0
        return counted


@contextmanager
def watching(cluster: Cluster) -> Iterator[Watch]:
    """Inside, whatever is typed must not reach the server as SQL."""
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("CREATE TABLE injection_witness (word text)")
        admin.execute("INSERT INTO injection_witness VALUES ('one'), ('two'), ('three')")
        # All that a payload could ask for: were it run, it would succeed.
        admin.execute("ALTER TABLE injection_witness OWNER TO test_owner")
        admin.execute("GRANT ALL ON injection_witness TO test_app")
    watch = Watch(cluster, cluster.log.stat().st_size)
    before = watch.counts()
    try:
        yield watch
        assert watch.complaints() == []
        assert watch.witness() == WITNESS
        after = watch.counts()
        assert {t: n for t, n in after.items() if n != before[t]}.keys() <= watch.growing
    finally:
        with cluster.connect(environment.DATABASE) as admin:
            admin.execute("DROP TABLE injection_witness")


@pytest.fixture(autouse=True)
def breakdowns_only() -> Iterator[None]:
    """A thousand pages that are not there are no news."""
    logger = logging.getLogger("django")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@pytest.fixture
def watch(transactional_db: None, cluster: Cluster) -> Iterator[Watch]:
    with watching(cluster) as watch:
        yield watch


@pytest.fixture
def keeper(transactional_db: None, settings: Any) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return User.objects.create_superuser("keeper", password=secrets.token_urlsafe())


@pytest.fixture
def staff(client: Client, keeper: User) -> Client:
    client.force_login(keeper)
    return client


@contextmanager
def quick(what: str) -> Iterator[None]:
    """Fails when the time inside could hold the sleep that a payload asks for."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < SLEEP_SECONDS - 1, what
