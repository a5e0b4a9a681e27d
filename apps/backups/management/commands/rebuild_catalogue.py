"""Reads the catalogue of the backups back from their sidecars."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.backups.catalogue import unreadable_lines
from apps.backups.records import rebuild
from apps.database.redaction import redact


class Command(BaseCommand):
    help = (
        "Makes the catalogue's rows say what the sidecars beside the backups say, such as after a "
        "lost database. Exit: 0 done, 1 when a sidecar could not be read or the database refused."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            rebuilt = rebuild()
        except (DatabaseError, OSError) as error:
            raise CommandError(redact(str(error).splitlines()[0])) from None
        self.stdout.write(
            f"The catalogue has {rebuilt.backups} backups and {rebuilt.verifications} "
            f"verifications; {rebuilt.dropped} rows without a backup were dropped."
        )
        unreadable = list(unreadable_lines(rebuilt.unreadable))
        if unreadable:
            raise CommandError("\n".join(unreadable))
