"""Where a rehearsal happens: scratch databases on a server that is like the real one."""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.sql import SQL, Identifier, Literal

from apps.database.connection import open_wrapper, role_entry
from apps.database.embedded import scratch_cluster
from apps.database.server import SUPERUSER, Cluster, ServerError
from config.database import TLS_OPTIONS, DatabaseEntry

PREFIX = "holdfast_rehearsal_"
# A migration that never ends is ended by the server.
STATEMENT_SECONDS = 1800
# Nothing is kept, so that nothing needs to be written twice.
SETTINGS = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "128MB",
    "work_mem": "32MB",
}


class CannotRehearse(Exception):
    """No rehearsal is possible; the message says why and what is needed."""


@dataclass(frozen=True)
class Needs:
    """What the scratch server must be like; `major` is None when any version does."""

    major: int | None
    extensions: tuple[str, ...]


@dataclass
class Place:
    """A server with scratch databases; each is dropped in the end, however the rehearsal ends."""

    admin: DatabaseEntry
    owner: DatabaseEntry
    kind: str
    made: list[str] = field(default_factory=list)

    def entry(self, name: str) -> DatabaseEntry:
        """The database as the role that owns its schema."""
        return DatabaseEntry({**self.owner, "NAME": name})

    def admin_entry(self, name: str) -> DatabaseEntry:
        return DatabaseEntry({**self.admin, "NAME": name})

    def create(self, template: str = "template0") -> str:
        """A new database, empty or a copy of one that nobody is connected to."""
        name = f"{PREFIX}{secrets.token_hex(6)}"
        self.made.append(name)
        self._execute(
            SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
                Identifier(name), Identifier(template), Identifier(str(self.owner["USER"]))
            )
        )
        return name

    def drop(self, name: str) -> None:
        self._execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
        self.made.remove(name)

    def drop_all(self) -> None:
        for name in list(self.made):
            self.drop(name)

    def _execute(self, statement: Any) -> None:
        with closing(open_wrapper(self.admin)) as connection, connection.cursor() as cursor:
            # sql-reviewed: composed where it is asked for, in this class.
            cursor.execute(statement)


@contextmanager
def scratch_place(live: DatabaseEntry, needs: Needs) -> Iterator[Place]:
    """The embedded server when it fits, else the server of DATABASE_ADMIN_URL.

    Raises CannotRehearse with what is needed.
    """
    try:
        cluster = scratch_cluster(settings=SETTINGS)
    except ServerError as error:
        reason = str(error)
    else:
        version = cluster.binaries.major()
        if needs.major in (None, version):
            with _embedded_place(cluster, live, needs) as place:
                if place is not None:
                    yield place
                    return
            reason = f"the embedded server lacks one of {', '.join(needs.extensions)}"
        else:
            cluster.remove()
            reason = f"the embedded server is PostgreSQL {version}"
    if "admin" not in settings.DATABASE_ROLES:
        extensions = f" with {', '.join(needs.extensions)}" if needs.extensions else ""
        raise CannotRehearse(
            f"There is no server to rehearse on: {reason.rstrip('.')}. Set DATABASE_ADMIN_URL to "
            f"a PostgreSQL {needs.major or ''}{extensions}, as a role that may create databases."
        )
    yield from _admin_place(live, needs)


@contextmanager
def _embedded_place(cluster: Cluster, live: DatabaseEntry, needs: Needs) -> Iterator[Place | None]:
    with cluster:
        admin = _entry(
            live,
            HOST=str(cluster.socket_folder),
            PORT="",
            NAME="postgres",
            USER=SUPERUSER,
            PASSWORD=cluster.superuser_password(),
        )
        with cluster.connect() as connection:
            if not _available(connection, needs.extensions):
                yield None
                return
            password = secrets.token_urlsafe(18)
            for name in _role_names(live):
                with suppress(psycopg.errors.DuplicateObject):
                    _create_role(connection, name, password)
        user = str(live["USER"])
        secret = admin["PASSWORD"] if user == SUPERUSER else password
        yield Place(admin, _entry(admin, USER=user, PASSWORD=secret), "embedded")


def _create_role(connection: psycopg.Connection, name: str, password: str) -> None:
    """A role of the same name, so that what a migration grants finds it; it owns nothing else."""
    connection.execute(
        SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(Identifier(name), Literal(password))
    )


def _role_names(live: DatabaseEntry) -> set[str]:
    entries = [live, settings.DATABASES[DEFAULT_DB_ALIAS], *settings.DATABASE_ROLES.values()]
    return {str(entry["USER"]) for entry in entries if entry["USER"]}


def _available(connection: psycopg.Connection, extensions: Iterable[str]) -> bool:
    found = connection.execute("SELECT name FROM pg_catalog.pg_available_extensions")
    return set(extensions) <= {row[0] for row in found}


def _admin_place(live: DatabaseEntry, needs: Needs) -> Iterator[Place]:
    admin = _entry(role_entry("admin"))
    same_server = all(admin[key] == live[key] for key in ("HOST", "PORT"))
    with closing(open_wrapper(admin)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.current_setting('server_version_num')::int / 10000")
        (major,) = cursor.fetchone()
        cursor.execute("SELECT name FROM pg_catalog.pg_available_extensions")
        missing = set(needs.extensions) - {row[0] for row in cursor.fetchall()}
    if needs.major not in (None, major) or missing:
        raise CannotRehearse(
            f"The server of DATABASE_ADMIN_URL is PostgreSQL {major}"
            f"{' without ' + ', '.join(sorted(missing)) if missing else ''}; expected "
            f"{needs.major} with {', '.join(needs.extensions) or 'no extension'}."
        )
    place = Place(admin, _entry(live) if same_server else admin, "DATABASE_ADMIN_URL")
    try:
        yield place
    finally:
        place.drop_all()


def _entry(entry: DatabaseEntry, **changes: Any) -> DatabaseEntry:
    """The entry for a rehearsal: without a pool, and time only where a migration never ends."""
    options = {
        name: value
        for name, value in entry["OPTIONS"].items()
        if name in (*TLS_OPTIONS, "connect_timeout", "isolation_level")
    }
    options["application_name"] = "holdfast-rehearsal"
    options["options"] = f"-c statement_timeout={STATEMENT_SECONDS}s -c TimeZone=UTC"
    return DatabaseEntry({**entry, "OPTIONS": options, "CONN_MAX_AGE": 0, **changes})


@contextmanager
def standing_in(entry: DatabaseEntry) -> Iterator[BaseDatabaseWrapper]:
    """Inside, the alias `default` leads to the scratch database, in every thread that connects.

    A migration's Python code that names no connection must not reach the real database.
    """
    alias = DEFAULT_DB_ALIAS
    usual, usual_entry = connections[alias], connections.settings[alias]
    connections.settings[alias] = entry
    connections[alias] = open_wrapper(entry, alias)
    try:
        yield connections[alias]
    finally:
        with suppress(DatabaseError):
            connections[alias].close()
        connections.settings[alias] = usual_entry
        connections[alias] = usual
