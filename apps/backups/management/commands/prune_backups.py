"""Deletes the backups that the policy keeps no longer."""

import argparse
import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError

from apps.backups.restoring import STORAGE_FAILURES
from apps.backups.retention import Decision, decisions, prune
from apps.database.redaction import redact


class Command(BaseCommand):
    help = (
        "Keeps every backup of the last BACKUP_KEEP_DAYS, then the newest of each of so many days, "
        "weeks and months, and always the newest and the newest proven one; deletes the others. "
        "Pretends unless given --commit. Exit: 0 done or shown, 1 failed."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--commit", action="store_true", help="Delete them.")
        parser.add_argument("--format", choices=("table", "json"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        database = str(settings.DATABASES[DEFAULT_DB_ALIAS]["NAME"])
        try:
            made = (prune if options["commit"] else decisions)(database)
        except (DatabaseError, *STORAGE_FAILURES) as error:
            raise CommandError(redact(str(error).splitlines()[0])) from None
        if options["format"] == "json":
            said = {"committed": options["commit"], "backups": [_as_json(d) for d in made]}
            self.stdout.write(json.dumps(said, indent=1))
            return
        verb = "deleted" if options["commit"] else "would be deleted"
        for decision in made:
            fate = f"kept: {', '.join(decision.reasons)}" if decision.kept else verb
            backup = decision.backup
            self.stdout.write(f"{backup.finished_at:%Y-%m-%d %H:%M}  {backup.name}  {fate}")
        gone = sum(not decision.kept for decision in made)
        self.stdout.write(f"{len(made)} backups of {database}, {gone} {verb}.")
        if gone and not options["commit"]:
            self.stdout.write("Nothing was changed. To carry it out, add --commit.")


def _as_json(decision: Decision) -> dict[str, Any]:
    return {
        "name": decision.backup.name,
        "finished_at": decision.backup.finished_at.isoformat(),
        "bytes": decision.backup.bytes,
        "kept": decision.kept,
        "reasons": list(decision.reasons),
    }
