"""django-dbbackup's dbbackup, as the owner role, streamed, with a sidecar beside each backup."""

import argparse
import importlib.util
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from dbbackup import settings as library_settings
from dbbackup.db.exceptions import CommandConnectorError
from dbbackup.management.commands import dbbackup as library
from dbbackup.signals import post_backup, pre_backup
from dbbackup.utils import EncryptionError
from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.management.base import CommandError
from django.db import DatabaseError, connections

from apps.backups.catalogue import backup_storage, checksum, write_sidecar
from apps.backups.connector import HoldfastConnector
from apps.backups.encryption import KeyProblem
from apps.backups.library import CompleteBackups
from apps.backups.making import Form, NameRefused, Stored, backup_of, make_backup
from apps.backups.records import record_backup
from apps.backups.tools import ToolError
from apps.database.connection import acting_as
from apps.database.redaction import redact

# Of a storage, whatever it is: django-storages' S3 raises its library's own.
FAILURES = (
    CommandConnectorError, ToolError, KeyProblem, NameRefused, OSError, BotoCoreError, ClientError,
    SuspiciousFileOperation, EncryptionError, ValueError,
)  # fmt: skip
INTERRUPTED = 130
PROGRESS_SECONDS = 0.5


class Command(library.Command):
    help = (
        "Backs the database up as the owner role. The backup exists once its sidecar, written "
        "last, exists; it counts once verify_backup has restored it. Exit: 0 done, 1 failed, "
        "130 interrupted; after a failure nothing is listed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--no-fingerprints",
            dest="fingerprints",
            action="store_false",
            help="Count rows without reading every value; verify_backup then compares less.",
        )

    def handle(self, **options: Any) -> None:
        self.fingerprints = options["fingerprints"]
        try:
            with acting_as("owner"):
                # Its decorator logs a traceback of what is told here in one sentence.
                library.Command.handle.__wrapped__(self, **options)
        except DatabaseError as error:
            reason = redact(str(error).strip().splitlines()[0])
            raise CommandError(f"Nothing was backed up: {reason}") from None
        except FAILURES as error:
            said = str(error).strip().splitlines()
            raise CommandError(redact(said[0] if said else repr(error))) from None
        except KeyboardInterrupt:
            raise CommandError("Interrupted; nothing was kept.", returncode=INTERRUPTED) from None

    def _get_database_keys(self) -> list[str]:
        """Every alias is known before the first is backed up."""
        keys: list[str] = super()._get_database_keys()
        for key in keys:
            if key not in connections.settings:
                known = ", ".join(sorted(connections.settings))
                raise CommandError(
                    f"There is no database {key!r} in DATABASES; expected one of: {known}."
                )
        return keys

    def _save_new_backup(self, database: Any) -> None:
        if not isinstance(self.connector, HoldfastConnector):
            super()._save_new_backup(database)
            return
        self.connector.fingerprints = self.fingerprints
        if self.encrypt or self.path is not None:
            self._save_as_the_library_does(database)
            return
        self.logger.info("Backing Up Database: %s", database["NAME"])
        self._tell(pre_backup, database)
        self.connector.schemas = self.schemas
        form = Form("gzip" if self.compress else "zstd", settings.BACKUP_AGE_RECIPIENTS)
        made_up = self.connector.generate_filename(self.servername) + form.ending
        # Two backups in one second get two names.
        name = self.filename or backup_storage().get_available_name(made_up)
        show = Progress() if sys.stderr.isatty() and not self.quiet else None
        backup = make_backup(
            self.connector.connection.settings_dict,
            name,
            self.connector.wanted(),
            form,
            progress=show,
            before_sidecar=super()._save_metadata,
        )
        if show is not None:
            sys.stderr.write("\n")
        self.logger.info("Wrote %s: %d bytes, %d rows", backup.name, backup.bytes, backup.rows)
        self._tell(post_backup, database, filename=backup.name, storage=self.storage)

    def _tell(self, signal: Any, database: dict[str, Any], **more: Any) -> None:
        """As the library does, without the password."""
        signal.send(
            sender=self.__class__,
            database={name: value for name, value in database.items() if name != "PASSWORD"},
            connector=self.connector,
            servername=self.servername,
            **more,
        )

    def _save_as_the_library_does(self, database: Any) -> None:
        """GPG, or a path: through a temporary file."""
        if self.path is not None and settings.BACKUP_AGE_RECIPIENTS and not self.encrypt:
            raise CommandError(
                "--output-path writes without encryption, and BACKUP_AGE_RECIPIENTS is set; "
                "expected --output-filename, which writes into the storage, or --encrypt (GPG)."
            )
        if self.encrypt:
            _require_gpg()
        try:
            super()._save_new_backup(database)
        finally:
            self.connector.close_spool()

    def write_local_file(self, outputfile: Any, path: str) -> None:
        """As the library does, for nobody else's eyes."""
        Path(path).touch(mode=0o600)
        super().write_local_file(outputfile, path)

    def write_to_storage(self, file: Any, path: str) -> None:
        try:
            super().write_to_storage(file, path)
        except BaseException:
            # A full disk leaves a torso.
            self.storage.delete_file(path)
            raise

    def _save_metadata(self, filename: str, local: bool = False) -> None:
        """The library's last step of its own way; the sidecar comes after it."""
        super()._save_metadata(filename, local=local)
        dumped = self.connector.dumped if isinstance(self.connector, HoldfastConnector) else None
        if local or dumped is None:
            return
        form = Form("gzip" if self.compress else "none", [])
        stored = Stored(filename, *checksum(filename))
        name = str(self.connector.settings["NAME"])
        backup = backup_of(
            name, stored, dumped, self.connector.wanted(), form, gpg=bool(self.encrypt)
        )
        write_sidecar(backup)
        record_backup(backup)

    def _cleanup_old_backups(self, database: Any = None, servername: Any = None) -> None:
        self.storage = CompleteBackups()
        super()._cleanup_old_backups(database, servername)


def _require_gpg() -> None:
    """The library finds out only after the dump, and by a traceback. Raises CommandError."""
    missing, recipient = None, library_settings.GPG_RECIPIENT
    if importlib.util.find_spec("gnupg") is None:
        missing = "the package python-gnupg is not installed (pip install python-gnupg)"
    elif shutil.which("gpg") is None:
        missing = "the program gpg is not installed (apt install gnupg)"
    elif not recipient:
        missing = "the setting DBBACKUP_GPG_RECIPIENT names nobody's key"
    elif not _has_key(str(recipient)):
        missing = f"gpg has no public key of {recipient}, whom DBBACKUP_GPG_RECIPIENT names"
    if missing:
        raise CommandError(
            f"--encrypt is dbbackup's own GPG, and {missing}; expected that, or "
            "BACKUP_AGE_RECIPIENTS instead of --encrypt, which verify_backup reads too."
        )


def _has_key(recipient: str) -> bool:
    asked = ["gpg", "--batch", "--list-keys", "--", recipient]
    return subprocess.run(asked, capture_output=True, timeout=60).returncode == 0


class Progress:
    """Says on the terminal how much was written."""

    def __init__(self) -> None:
        self._said_at = 0.0

    def __call__(self, written: int) -> None:
        now = time.monotonic()
        if now - self._said_at >= PROGRESS_SECONDS:
            self._said_at = now
            sys.stderr.write(f"\r{written / 1e6:,.1f} MB written ")
            sys.stderr.flush()
