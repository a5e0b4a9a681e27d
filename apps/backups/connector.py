"""How django-dbbackup dumps and restores PostgreSQL here: with fitting tools and a snapshot."""

from tempfile import SpooledTemporaryFile
from typing import IO, Any

from dbbackup import settings as library_settings
from dbbackup.db.exceptions import CommandConnectorError
from dbbackup.db.postgresql import PgDumpBinaryConnector
from django.conf import settings

from apps.backups.dumping import Dump, Dumped, Wanted, directly, fitting_tools
from apps.backups.encryption import KeyProblem
from apps.backups.opening import plain_dump
from apps.backups.streams import CHUNK_BYTES
from apps.backups.tools import ToolError, connection_arguments, run
from apps.database.facts.server import server_version


class HoldfastConnector(PgDumpBinaryConnector):
    """Custom format, argument lists, a minimal environment, and counts of the same snapshot."""

    fingerprints = True
    dumped: Dumped | None = None
    spool: IO[bytes] | None = None

    def wanted(self) -> Wanted:
        return Wanted(
            excluded=tuple(self.exclude),
            schemas=tuple(self.schemas or ()),
            fingerprints=self.fingerprints,
            timeout_seconds=settings.BACKUP_TIMEOUT,
        )

    def close_spool(self) -> None:
        """Give the spooled dump's disk space back; the library leaves that to the collector."""
        if self.spool is not None:
            self.spool.close()

    def _create_dump(self) -> IO[bytes]:
        """The dump as a file, for the library's own ways: GPG and paths. Ours is streamed."""
        output: Any = SpooledTemporaryFile(  # noqa: SIM115  # read on by the library
            max_size=library_settings.TMP_FILE_MAX_SIZE, dir=library_settings.TMP_DIR
        )
        self.spool = output
        try:
            with Dump(self.connection.settings_dict, self.wanted()) as dump:
                while chunk := dump.read(CHUNK_BYTES):
                    output.write(chunk)
                self.dumped = dump.finish()
        except ToolError as error:
            raise CommandConnectorError(str(error)) from None
        output.seek(0)
        return output  # type: ignore[no-any-return]

    def _restore_dump(self, dump: IO[bytes]) -> tuple[None, None]:
        entry = self.connection.settings_dict
        try:
            with directly(entry) as connection, connection.cursor() as cursor:
                tools = fitting_tools(server_version(cursor), entry)
            command = [str(tools.folder / "pg_restore"), "--single-transaction", "--clean"]
            command += ["--if-exists", *connection_arguments(entry)]
            with plain_dump(dump, str(getattr(dump, "name", "The backup"))) as plain:
                run(command, entry, feed=plain)
        except (ToolError, KeyProblem) as error:
            raise CommandConnectorError(str(error)) from None
        return None, None
