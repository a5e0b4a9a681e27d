"""How django-dbbackup dumps and restores PostgreSQL here: with fitting tools and a snapshot."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from dbbackup import settings as library_settings
from dbbackup.db.exceptions import CommandConnectorError
from dbbackup.db.postgresql import PgDumpBinaryConnector
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from apps.backups.catalogue import SequencePosition
from apps.backups.contents import Contents, read_contents
from apps.backups.tools import (
    ToolError,
    Tools,
    connection_arguments,
    fitting,
    installed_tools,
    needs_tls,
    run,
)
from apps.database.connection import open_wrapper
from apps.database.direct import PooledAddress, require_direct
from apps.database.facts.sequences import sequence_positions
from apps.database.facts.server import server_version


@dataclass(frozen=True)
class Dumped:
    """What was in the snapshot that a dump was made of."""

    tool_version: int
    started_at: datetime
    contents: Contents
    sequences: dict[str, SequencePosition]


class HoldfastConnector(PgDumpBinaryConnector):
    """Custom format, argument lists, a minimal environment, and counts of the same snapshot."""

    dumped: Dumped | None = None
    spool: IO[bytes] | None = None

    def close_spool(self) -> None:
        """Give the spooled dump's disk space back; the library leaves that to the collector."""
        if self.spool is not None:
            self.spool.close()

    def _create_dump(self) -> IO[bytes]:
        entry = self.connection.settings_dict
        started_at = timezone.now()
        output: Any = SpooledTemporaryFile(  # noqa: SIM115  # read on by the library
            max_size=library_settings.TMP_FILE_MAX_SIZE, dir=library_settings.TMP_DIR
        )
        self.spool = output
        with _directly(entry) as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            # The snapshot's session rests while pg_dump works.
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT pg_catalog.pg_export_snapshot()")
            (snapshot,) = cursor.fetchone()
            tools = _tools(server_version(cursor), entry)
            contents = read_contents(cursor)
            try:
                run(self.dump_command(tools, snapshot), entry, stdout=output)
            except ToolError as error:
                raise CommandConnectorError(str(error)) from None
            after = sequence_positions(cursor)
        sequences = {
            name: SequencePosition(before, after.get(name, before))
            for name, before in contents.sequences.items()
        }
        self.dumped = Dumped(tools.major, started_at, contents, sequences)
        output.seek(0)
        return output  # type: ignore[no-any-return]

    def dump_command(self, tools: Tools, snapshot: str) -> list[str]:
        command = [str(tools.folder / "pg_dump"), "--format=custom", f"--snapshot={snapshot}"]
        command += connection_arguments(self.connection.settings_dict)
        command += [f"--exclude-table-data={table}" for table in self.exclude]
        return command + [f"--schema={schema}" for schema in self.schemas or ()]

    def _restore_dump(self, dump: IO[bytes]) -> tuple[None, None]:
        entry = self.connection.settings_dict
        with _directly(entry) as connection, connection.cursor() as cursor:
            tools = _tools(server_version(cursor), entry)
        command = [str(tools.folder / "pg_restore"), "--single-transaction", "--clean"]
        command += ["--if-exists", *connection_arguments(entry)]
        try:
            run(command, entry, stdin=dump)
        except ToolError as error:
            raise CommandConnectorError(str(error)) from None
        return None, None


@contextmanager
def _directly(entry: dict[str, Any]) -> Iterator[BaseDatabaseWrapper]:
    """A connection to the server itself: a dump through a pooler would spoil its sessions."""
    with closing(open_wrapper(entry)) as connection:
        try:
            require_direct(connection)
        except PooledAddress as error:
            raise CommandConnectorError(str(error)) from None
        yield connection


def _tools(version: str, entry: dict[str, Any]) -> Tools:
    try:
        major = int(version.partition(".")[0])
        return fitting(installed_tools(), major, needs_tls=needs_tls(entry))
    except ToolError as error:
        raise CommandConnectorError(str(error)) from None
