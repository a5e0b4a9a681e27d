"""Removes old evidence."""

import argparse
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from apps.controls.inspection import one_line
from apps.controls.pruning import ChainBroken, Removal, prune, removable
from apps.database.connection import acting_as
from apps.database.redaction import redact

KEEP_DAYS = 400
MOST_DAYS = 36500


class Command(BaseCommand):
    help = (
        "Removes the assessments that are older than --keep-days, from the chain's beginning and "
        "never the newest one, as the owner; a checkpoint lets verify_evidence go on from there. "
        "A part that does not verify is kept. Pretends unless given --commit. "
        "Exit: 0 done or shown, 1 failed."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--keep-days", type=int, default=KEEP_DAYS, metavar="DAYS")
        parser.add_argument("--commit", action="store_true", help="Remove them.")

    def handle(self, *args: Any, **options: Any) -> None:
        days: int = options["keep_days"]
        if not 1 <= days <= MOST_DAYS:
            raise CommandError(f"--keep-days is {days}; expected 1 to {MOST_DAYS}.")
        before = timezone.now() - timedelta(days=days)
        try:
            if options["commit"]:
                removal = prune(before)
            else:
                with acting_as("auditor"):
                    removal = removable(before)
        except ChainBroken as error:
            raise CommandError(
                f"Nothing was removed, because that would hide a break: {error}"
            ) from None
        except DatabaseError as error:
            raise CommandError(f"Nothing was removed: {redact(one_line(error))}") from None
        self._report(removal, days, committed=options["commit"])

    def _report(self, removal: Removal | None, days: int, *, committed: bool) -> None:
        if removal is None:
            self.stdout.write(f"Nothing is older than {days} days and not the newest.")
            return
        verb = "Removed" if committed else "Would remove"
        self.stdout.write(
            f"{verb} the assessments {removal.first} to {removal.last} with {removal.verdicts} "
            "verdicts."
        )
        if not committed:
            self.stdout.write("Nothing was changed. To carry it out, add --commit.")
