"""Proves a backup by restoring it."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.backups.catalogue import Backup, Proof, backups
from apps.backups.restoring import STORAGE_FAILURES, ending_in_order
from apps.backups.verify import verify
from apps.database.redaction import redact


class Command(BaseCommand):
    help = (
        "Restores a backup into a scratch database and compares it with its sidecar. "
        "Exit: 0 proven, 1 not proven, or unknown because this machine cannot tell."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument("name", nargs="?", help="A name that listbackups shows.")
        chosen.add_argument("--latest", action="store_true", help="The newest; the default.")

    def handle(self, *args: Any, **options: Any) -> None:
        backup = self._chosen(options["name"])
        try:
            with ending_in_order():
                verification = verify(backup)
        except (DatabaseError, *STORAGE_FAILURES) as error:
            raise CommandError(f"{backup.name}: {redact(str(error).splitlines()[0])}") from None
        if verification.verdict is Proof.UNKNOWN:
            raise CommandError(f"{backup.name} is not proven: unknown. {verification.reason}")
        if not verification.proven:
            raise CommandError(f"{backup.name} is not proven: {verification.reason}")
        pending = len(verification.evidence["migrations_to_apply"])
        self.stdout.write(
            f"{backup.name} is proven: {len(backup.tables)} tables with {backup.rows} rows, "
            f"{len(backup.sequences)} sequences, restored in "
            f"{verification.restore_seconds:.1f} s; "
            + (f"{pending} migrations to apply." if pending else "no migration to apply.")
        )

    def _chosen(self, name: str | None) -> Backup:
        found = backups()
        if not found:
            raise CommandError("There is no complete backup; make one: manage.py dbbackup")
        if name is None:
            return found[-1]
        for backup in found:
            if backup.name == name:
                return backup
        raise CommandError(f"There is no complete backup {name!r}; see: manage.py listbackups")
