"""Where a rehearsal happens: scratch databases on a server that is like the real one."""

import secrets
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.sql import SQL, Identifier, Literal

from apps.backups.databases import dated_name, sweep_databases
from apps.database.connection import open_wrapper, role_entry
from apps.database.embedded import embedded_binaries, scratch_cluster
from apps.database.redaction import redact
from apps.database.server import SUPERUSER, Cluster, ServerError
from config.database import TLS_OPTIONS, DatabaseEntry

PREFIX = "holdfast_rehearsal"
EMBEDDED, EMPTY = "embedded", "template0"
# On a scratch copy only a migration's own second session can be in the way.
LOCK_SECONDS = 5
# Nothing is kept, so that nothing needs to be written twice.
SETTINGS = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "128MB",
    "work_mem": "32MB",
    "max_locks_per_transaction": "1024",
    # Every question is asked once, and every session is new.
    "jit": "off",
    "scram_iterations": "1",
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

    def create(self, template: str = EMPTY) -> str:
        """A new database, empty or a copy of one that nobody is connected to."""
        name = dated_name(PREFIX, "scratch")
        self.made.append(name)
        statement = SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(
            Identifier(name), Identifier(template), Identifier(str(self.owner["USER"]))
        )
        if self.kind == EMBEDDED and template != EMPTY:
            # As files, not block by block through the log; on a server that others use, its
            # checkpoint would be felt.
            statement += SQL(" STRATEGY FILE_COPY")
        self._execute(statement)
        return name

    def drop(self, name: str) -> None:
        self._execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
        self.made.remove(name)

    def drop_all(self) -> None:
        """Drop what is left. Raises CannotRehearse with the names that could not be dropped."""
        for name in list(self.made):
            with suppress(DatabaseError):
                self.drop(name)
        if self.made:
            commands = " ".join(f'DROP DATABASE "{name}";' for name in self.made)
            raise CannotRehearse(
                f"A scratch database is left on the server of {self.kind}; there run: {commands}"
            )

    def _execute(self, statement: Any) -> None:
        with closing(open_wrapper(self.admin)) as connection, connection.cursor() as cursor:
            # sql-reviewed: composed where it is asked for, in this class.
            cursor.execute(statement)


@contextmanager
def scratch_place(live: DatabaseEntry, needs: Needs) -> Iterator[Place]:
    """The embedded server when it fits, else the server of DATABASE_ADMIN_URL.

    Raises CannotRehearse with what is needed.
    """
    with ExitStack() as stack:
        try:
            place = _embedded_place(stack, live, needs)
        except _DoesNotFit as error:
            place = _admin_place(stack, live, needs, str(error))
        yield place


class _DoesNotFit(Exception):
    """The embedded server cannot be used; the message is the beginning of a sentence."""


def _embedded_place(stack: ExitStack, live: DatabaseEntry, needs: Needs) -> Place:
    """A cluster of its own, gone when the stack ends. Raises _DoesNotFit."""
    try:
        version = embedded_binaries().major()
        if needs.major not in (None, version):
            raise _DoesNotFit(f"the embedded server is PostgreSQL {version}")
        with ExitStack() as until_it_fits:
            cluster = until_it_fits.enter_context(scratch_cluster(settings=SETTINGS))
            place = _place_on(cluster, live, needs)
            stack.push(until_it_fits.pop_all())
    except ServerError as error:
        raise _DoesNotFit(f"the embedded server cannot be used: {error}") from None
    return place


def _place_on(cluster: Cluster, live: DatabaseEntry, needs: Needs) -> Place:
    admin = _entry(
        live,
        HOST=str(cluster.socket_folder),
        PORT="",
        NAME="postgres",
        USER=SUPERUSER,
        PASSWORD=cluster.superuser_password(),
    )
    password = secrets.token_urlsafe(18)
    with cluster.connect() as connection:
        found = connection.execute("SELECT name FROM pg_catalog.pg_available_extensions")
        missing = _missing(needs, (row[0] for row in found))
        if missing:
            raise _DoesNotFit(f"the embedded server lacks the extension {', '.join(missing)}")
        for name in _role_names(live):
            with suppress(psycopg.errors.DuplicateObject):
                _create_role(connection, name, password)
    user = str(live["USER"])
    secret = admin["PASSWORD"] if user == SUPERUSER else password
    return Place(admin, _entry(admin, USER=user, PASSWORD=secret), EMBEDDED)


def _create_role(connection: psycopg.Connection, name: str, password: str) -> None:
    """A role of the same name, so that what a migration grants finds it; it owns nothing else."""
    connection.execute(
        SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(Identifier(name), Literal(password))
    )


def _role_names(live: DatabaseEntry) -> set[str]:
    entries = [live, settings.DATABASES[DEFAULT_DB_ALIAS], *settings.DATABASE_ROLES.values()]
    return {str(entry["USER"]) for entry in entries if entry["USER"]}


def _missing(needs: Needs, available: Iterable[str]) -> list[str]:
    return sorted(set(needs.extensions) - set(available))


def _admin_place(stack: ExitStack, live: DatabaseEntry, needs: Needs, reason: str) -> Place:
    """Databases on the server of DATABASE_ADMIN_URL, dropped when the stack ends."""
    beginning = f"There is no server to rehearse on: {reason.rstrip('.')}"
    extensions = f" with {', '.join(needs.extensions)}" if needs.extensions else ""
    wanted = (
        f"Set DATABASE_ADMIN_URL to a PostgreSQL {needs.major or ''}{extensions}, as a role that "
        "may create databases."
    )
    if "admin" not in settings.DATABASE_ROLES:
        raise CannotRehearse(f"{beginning}. {wanted}")
    admin = _entry(role_entry("admin"))
    admin["NAME"] = admin["NAME"] or "postgres"
    server = _read_server(admin, str(live["USER"]), f"{beginning}, and that of DATABASE_ADMIN_URL")
    missing = _missing(needs, server.extensions)
    if needs.major not in (None, server.major) or missing:
        without = f" without {', '.join(missing)}" if missing else ""
        raise CannotRehearse(
            f"{beginning}, and that of DATABASE_ADMIN_URL is PostgreSQL {server.major}{without}. "
            f"{wanted}"
        )
    if not server.creates:
        user = admin["USER"]
        raise CannotRehearse(
            f"The role {user} of DATABASE_ADMIN_URL may not create databases. Have a superuser "
            f'run: ALTER ROLE "{user}" CREATEDB;'
        )
    same_server = all(admin[key] == live[key] for key in ("HOST", "PORT"))
    owner = _entry(live) if same_server and server.acts_as_owner else admin
    place = Place(admin, owner, "DATABASE_ADMIN_URL")
    stack.callback(_undisturbed, place.drop_all)
    return place


@dataclass(frozen=True)
class _Server:
    """What the server of DATABASE_ADMIN_URL is, and what its role may do there."""

    extensions: frozenset[str]
    major: int
    creates: bool
    acts_as_owner: bool


def _read_server(admin: DatabaseEntry, owner: str, subject: str) -> _Server:
    """Raises CannotRehearse, in a sentence about the subject, where it cannot be reached."""
    try:
        with closing(open_wrapper(admin)) as connection, connection.cursor() as cursor:
            # What was left by runs that were killed; some of it may be somebody else's.
            with suppress(DatabaseError):
                sweep_databases(cursor, PREFIX, "scratch")
            cursor.execute("SELECT name FROM pg_catalog.pg_available_extensions")
            extensions = frozenset(row[0] for row in cursor.fetchall())
            cursor.execute(_SERVER, [owner])
            return _Server(extensions, *cursor.fetchone())
    except DatabaseError as error:
        said = redact(str(error).strip().splitlines()[0])
        raise CannotRehearse(f"{subject} cannot be reached: {said}") from None


_SERVER = """
SELECT pg_catalog.current_setting('server_version_num')::int / 10000, r.rolsuper OR r.rolcreatedb,
       coalesce((SELECT pg_catalog.pg_has_role(o.oid, 'MEMBER')
                        AND pg_catalog.pg_has_role(o.oid, 'USAGE')
                 FROM pg_catalog.pg_roles o WHERE o.rolname = %s), false)
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user
"""


def _undisturbed(act: Callable[[], None]) -> None:
    """Run to the end what a second Ctrl-C must not cut short; the signal comes afterwards."""
    usual = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        act()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, usual)


def _entry(entry: DatabaseEntry, **changes: Any) -> DatabaseEntry:
    """The entry for a rehearsal: without a pool, and without a time-out for what works."""
    options = {
        name: value
        for name, value in entry["OPTIONS"].items()
        if name in (*TLS_OPTIONS, "connect_timeout", "isolation_level")
    }
    options["application_name"] = "holdfast-rehearsal"
    options["options"] = f"-c statement_timeout=0 -c lock_timeout={LOCK_SECONDS}s -c TimeZone=UTC"
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
