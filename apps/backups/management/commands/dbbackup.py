"""django-dbbackup's dbbackup, as the owner role, with a sidecar that says what is in it."""

from typing import Any

from dbbackup.db.exceptions import CommandConnectorError
from dbbackup.management.commands import dbbackup as library
from django.core.management.base import CommandError
from django.utils import timezone

from apps.backups.catalogue import (
    Backup,
    backup_storage,
    checksum,
    location_of,
    write_sidecar,
)
from apps.backups.connector import Dumped, HoldfastConnector
from apps.backups.records import record_backup
from apps.database.connection import acting_as
from apps.database.redaction import redact


class Command(library.Command):
    help = (
        "Backs the database up as the owner role. The backup exists once its sidecar, written "
        "last, exists; it counts once verify_backup has restored it. Exit: 0 done, 1 failed."
    )

    def handle(self, **options: Any) -> None:
        try:
            with acting_as("owner"):
                # Its decorator logs a traceback of what is told here in one sentence.
                library.Command.handle.__wrapped__(self, **options)
        except (CommandConnectorError, OSError) as error:
            raise CommandError(redact(str(error))) from None

    def _save_new_backup(self, database: Any) -> None:
        try:
            super()._save_new_backup(database)
        finally:
            if isinstance(self.connector, HoldfastConnector):
                self.connector.close_spool()

    def write_to_storage(self, file: Any, path: str) -> None:
        try:
            super().write_to_storage(file, path)
        except OSError:
            # A full disk leaves a torso, which must not be listed as the newest backup.
            backup_storage().delete(path)
            raise

    def _save_metadata(self, filename: str, local: bool = False) -> None:
        """The library's last step for a backup; the sidecar comes after it."""
        super()._save_metadata(filename, local=local)
        whole = not (self.encrypt or self.compress or self.exclude_tables or self.schemas)
        if local or not whole or not isinstance(self.connector, HoldfastConnector):
            return
        dumped: Dumped | None = self.connector.dumped
        if dumped is None:
            return
        size, sha256 = checksum(filename)
        contents = dumped.contents
        backup = Backup(
            name=filename,
            database=str(self.connector.settings["NAME"]),
            server_version=contents.server_version,
            tool_version=dumped.tool_version,
            started_at=dumped.started_at,
            finished_at=timezone.now(),
            bytes=size,
            sha256=sha256,
            location=location_of(backup_storage()),
            compression="pg_dump",
            encryption=None,
            recipients=[],
            partial=False,
            fingerprints=True,
            schema_digest=contents.schema_digest,
            locale=contents.locale,
            extensions=contents.extensions,
            migrations=contents.migrations,
            tables=contents.tables,
            sequences=dumped.sequences,
        )
        write_sidecar(backup)
        record_backup(backup)
