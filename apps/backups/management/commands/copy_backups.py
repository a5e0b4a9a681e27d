"""Copies the backups to the second place."""

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS

from apps.backups.offsite import CopyFailed, copy_missing
from apps.backups.restoring import STORAGE_FAILURES
from apps.database.redaction import redact


class Command(BaseCommand):
    help = (
        "Copies every backup that the second place (BACKUP_OFFSITE_DIR or _BUCKET) lacks, and "
        "reads each new copy back. Exit: 0 all are there, 1 failed."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--read-back",
            action="store_true",
            help="Read the earlier copies too, and make damaged ones anew.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        database = str(settings.DATABASES[DEFAULT_DB_ALIAS]["NAME"])
        try:
            copied = copy_missing(database, read_back=options["read_back"])
        except (CopyFailed, *STORAGE_FAILURES) as error:
            raise CommandError(redact(str(error).splitlines()[0])) from None
        for name in copied:
            self.stdout.write(f"Copied {name}")
        self.stdout.write(f"{len(copied)} copied; the second place has every backup.")
