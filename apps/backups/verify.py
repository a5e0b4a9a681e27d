"""Proves a backup by restoring it into a scratch database and comparing what comes out."""

import secrets
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from django.conf import settings
from django.utils import timezone
from psycopg.sql import SQL, Identifier

from apps.backups.catalogue import (
    Backup,
    Proof,
    Verification,
    checksum,
    write_verification,
)
from apps.backups.encryption import KeyProblem
from apps.backups.opening import open_backup
from apps.backups.records import record_verification
from apps.backups.tools import (
    ToolError,
    connection_arguments,
    fitting,
    installed_tools,
    needs_tls,
    run,
)
from apps.database.connection import open_wrapper, role_entry
from apps.database.embedded import scratch_cluster
from apps.database.facts.server import server_version
from apps.database.facts.tables import TableContent, table_contents
from config.database import DatabaseEntry

RESTORE_SECONDS = 2 * 3600


class NotProven(Exception):
    """The backup is not what it says; the message is one sentence."""


def verify(backup: Backup) -> Verification:
    """Check the file, restore it into a scratch database, compare, and write the result down."""
    reason, seconds = None, 0.0
    try:
        _check_file(backup)
        with scratch_database() as entry:
            started = time.monotonic()
            _restore(backup, entry)
            seconds = time.monotonic() - started
            compare(backup.tables, _contents(entry))
    except (NotProven, ToolError, KeyProblem) as error:
        reason = str(error)
    verification = Verification(
        name=backup.name,
        verified_at=timezone.now(),
        verdict=Proof.PROVEN if reason is None else Proof.NOT_PROVEN,
        reason=reason,
        restore_seconds=round(seconds, 3),
    )
    write_verification(verification)
    record_verification(verification)
    return verification


def _check_file(backup: Backup) -> None:
    """A dump has no integrity of its own: damage must be found before a restore believes it."""
    size, sha256 = checksum(backup.name)
    if size != backup.bytes:
        raise NotProven(f"The file has {size} bytes; the sidecar says {backup.bytes}.")
    if sha256 != backup.sha256:
        raise NotProven("The file's checksum is not the sidecar's; its content has changed.")


@contextmanager
def scratch_database() -> Iterator[DatabaseEntry]:
    """An empty database by DATABASE_ADMIN_URL, or on a server of its own; gone afterwards."""
    if "admin" in settings.DATABASE_ROLES:
        with _database_of(role_entry("admin")) as entry:
            yield entry
        return
    with scratch_cluster() as cluster:
        entry = role_entry("owner")
        entry |= {
            "HOST": str(cluster.socket_folder),
            "PORT": "",
            "NAME": "postgres",
            "USER": "postgres",
            "PASSWORD": cluster.superuser_password(),
        }
        with _database_of(entry) as made:
            yield made


@contextmanager
def _database_of(admin: DatabaseEntry) -> Iterator[DatabaseEntry]:
    name = f"holdfast_verify_{secrets.token_hex(6)}"
    with closing(open_wrapper(admin)) as connection, connection.cursor() as cursor:
        cursor.execute(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name)))
        try:
            yield DatabaseEntry({**admin, "NAME": name})
        finally:
            cursor.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def _restore(backup: Backup, entry: DatabaseEntry) -> None:
    with closing(open_wrapper(entry)) as connection, connection.cursor() as cursor:
        scratch_major = int(server_version(cursor).partition(".")[0])
    major = int(backup.server_version.partition(".")[0])
    if scratch_major != major:
        raise NotProven(
            f"The backup is of PostgreSQL {major} and the scratch server is {scratch_major}; "
            f"give DATABASE_ADMIN_URL of a server of version {major}."
        )
    tools = fitting(installed_tools(), major, needs_tls=needs_tls(entry))
    command = [str(tools.folder / "pg_restore"), "--no-owner", "--no-privileges"]
    command += ["--exit-on-error", *connection_arguments(entry)]
    with open_backup(backup) as plain:
        run(command, entry, feed=plain, timeout_seconds=RESTORE_SECONDS)


def _contents(entry: DatabaseEntry) -> dict[str, TableContent]:
    with closing(open_wrapper(entry)) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN READ ONLY")
        return table_contents(cursor)


def compare(stated: dict[str, TableContent], restored: dict[str, TableContent]) -> None:
    """Raise NotProven at the first table that is missing, too many, or of other content."""
    for table in sorted(stated.keys() - restored.keys()):
        raise NotProven(f"The table {table} was not restored.")
    for table in sorted(restored.keys() - stated.keys()):
        raise NotProven(f"The table {table} was restored and does not stand in the sidecar.")
    for table, content in stated.items():
        found = restored[table]
        if found.rows != content.rows:
            raise NotProven(f"{table} has {found.rows} rows; the sidecar says {content.rows}.")
        if found.fingerprint != content.fingerprint:
            raise NotProven(f"A value in {table} is not what it was, with equal numbers of rows.")
