"""Databases that restores make: with the backup's locale, named by time, swept when left over."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from psycopg.sql import SQL, Composed, Identifier, Literal

from apps.backups.catalogue import Backup
from apps.database.connection import open_wrapper, role_entry
from apps.database.embedded import scratch_cluster
from apps.database.facts.extensions import available_extensions
from apps.database.facts.roles import role_attributes
from apps.database.facts.server import server_version, session_role
from apps.database.redaction import redact
from apps.database.server import ServerError
from config.database import DatabaseEntry

SCRATCH = "holdfast_verify"
STAMP = "%Y%m%dT%H%M%S"
LONGEST_NAME = 63


class CannotTell(Exception):
    """This machine cannot prove the backup, nor disprove it; the message says what it needs."""


def dated_name(base: str, kind: str) -> str:
    """Such as `service_old_20260131T031500_5f2a`; the base gives way where it is too long."""
    ending = f"_{kind}_{timezone.now().astimezone(UTC):{STAMP}}_{secrets.token_hex(2)}"
    room = LONGEST_NAME - len(ending)
    return base.encode()[:room].decode(errors="ignore") + ending


def dated_databases(cursor: CursorWrapper, base: str, kind: str) -> list[str]:
    """The databases that `dated_name` named, oldest first."""
    known = dated_name(base, kind).rpartition(f"_{kind}_")[0] + f"_{kind}_"
    cursor.execute(
        """
        SELECT datname FROM pg_catalog.pg_database
        WHERE pg_catalog.starts_with(datname, %s)
          AND pg_catalog.substr(datname, %s) ~ '^[0-9]{8}T[0-9]{6}_[0-9a-f]{4}$'
        ORDER BY 1
        """,
        [known, len(known) + 1],
    )
    return [row[0] for row in cursor.fetchall()]


def made_at(name: str) -> datetime:
    """When a database with a dated name was made."""
    return datetime.strptime(name.rsplit("_", 2)[1], STAMP).replace(tzinfo=UTC)


def sweep_databases(cursor: CursorWrapper, base: str, kind: str) -> list[str]:
    """Drop what runs left that were killed: older than any restore may take."""
    oldest = timezone.now() - timedelta(seconds=2 * settings.BACKUP_RESTORE_TIMEOUT)
    left = [name for name in dated_databases(cursor, base, kind) if made_at(name) < oldest]
    for name in left:
        drop_database(cursor, name)
    return left


def drop_database(cursor: CursorWrapper, name: str) -> None:
    cursor.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def drop_afresh(admin: DatabaseEntry, name: str) -> None:
    """Drop by a connection of its own: an interrupted one may still be busy."""
    with closing(open_wrapper(admin)) as connection, connection.cursor() as cursor:
        drop_database(cursor, name)


def create_database(
    cursor: CursorWrapper, name: str, backup: Backup, owner: str | None = None
) -> None:
    """An empty database with the backup's encoding and locale. Raises CannotTell."""
    try:
        cursor.execute(_create_statement(name, backup, owner))
    except DatabaseError as error:
        said = redact(str(error).strip().splitlines()[0])
        if "locale" not in said and "encoding" not in said and "collation" not in said:
            raise
        wanted = ", ".join(f"{key} {value}" for key, value in backup.locale.items() if value)
        raise CannotTell(
            f"The server lacks the backup's locale ({wanted}): {said}. Give DATABASE_ADMIN_URL of "
            "a server on a system that has it."
        ) from None


def _create_statement(name: str, backup: Backup, owner: str | None) -> Composed:
    locale = backup.locale
    statement = SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {}").format(
        Identifier(name), Literal(locale["encoding"])
    )
    if backup.server_major >= 15:
        statement += SQL(" LOCALE_PROVIDER {}").format(Identifier(locale["provider"]))
    statement += SQL(" LOCALE {} LC_COLLATE {} LC_CTYPE {}").format(
        Literal(locale.get("name") or locale["collate"]),
        Literal(locale["collate"]),
        Literal(locale["ctype"]),
    )
    if owner is not None:
        statement += SQL(" OWNER {}").format(Identifier(owner))
    return statement


@contextmanager
def scratch_database(backup: Backup) -> Iterator[DatabaseEntry]:
    """An empty database fit for the backup, by DATABASE_ADMIN_URL or on a server of its own.

    It is gone afterwards, however the block ends. Raises CannotTell.
    """
    if "admin" in settings.DATABASE_ROLES:
        with _database_of(role_entry("admin"), backup) as entry:
            yield entry
        return
    try:
        server = scratch_cluster()
    except ServerError:
        raise CannotTell(
            "There is no scratch server: the embedded one is not installed here. Give "
            "DATABASE_ADMIN_URL of a role that may create databases."
        ) from None
    with server as cluster:
        entry = role_entry("owner")
        entry |= {
            "HOST": str(cluster.socket_folder),
            "PORT": "",
            "NAME": "postgres",
            "USER": "postgres",
            "PASSWORD": cluster.superuser_password(),
        }
        with _database_of(entry, backup) as made:
            yield made


@contextmanager
def _database_of(admin: DatabaseEntry, backup: Backup) -> Iterator[DatabaseEntry]:
    admin = DatabaseEntry({**admin, "NAME": admin["NAME"] or "postgres"})
    with closing(open_wrapper(admin)) as connection, connection.cursor() as cursor:
        check_server(cursor, backup)
        sweep_databases(cursor, SCRATCH, "scratch")
        name = dated_name(SCRATCH, "scratch")
        try:
            create_database(cursor, name, backup)
            yield DatabaseEntry({**admin, "NAME": name})
        finally:
            drop_afresh(admin, name)


def check_server(cursor: CursorWrapper, backup: Backup, *, newer: bool = False) -> None:
    """Raise CannotTell where the server does not fit the backup, or the role makes no databases."""
    version = server_version(cursor)
    major = int(version.partition(".")[0])
    if major != backup.server_major and not (newer and major > backup.server_major):
        raise CannotTell(
            f"The backup is of PostgreSQL {backup.server_major} and the server that should take "
            f"it is {version}; give DATABASE_ADMIN_URL of a server of version "
            f"{backup.server_major}."
        )
    role = role_attributes(cursor, session_role(cursor))
    if role is not None and not (role.superuser or role.create_database):
        raise CannotTell(
            f"{role.name} of DATABASE_ADMIN_URL may not create databases; expected: "
            f'ALTER ROLE "{role.name}" CREATEDB;'
        )
    missing = sorted(set(backup.extensions) - available_extensions(cursor))
    if missing:
        raise CannotTell(
            f"The backup needs the extension {missing[0]}, which the server does not have; "
            "install it there, or give DATABASE_ADMIN_URL of a server that has it."
        )
