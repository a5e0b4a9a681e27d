"""Restores a backup beside the database, and swaps the two when told to."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.backups.catalogue import Backup, find, newest
from apps.backups.comparing import NotProven
from apps.backups.databases import CannotTell
from apps.backups.encryption import KeyProblem
from apps.backups.restore import Outcome, Refused, Wish, drop_old, restore, steps
from apps.backups.restoring import STORAGE_FAILURES, ending_in_order
from apps.backups.tools import ToolError
from apps.database.redaction import redact

PROBLEMS = (Refused, CannotTell, NotProven, KeyProblem, ToolError, DatabaseError)


class Command(BaseCommand):
    help = (
        "Restores a backup into a new database and compares it with its sidecar. With --swap it "
        "then takes the place of --into, and the old one stays under a dated name until "
        "--drop-old. Pretends unless given --commit. Exit: 0 done or shown, 1 refused or failed."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="A name that listbackups shows, or `latest`.")
        parser.add_argument("--into", required=True, metavar="DATABASE")
        parser.add_argument("--swap", action="store_true", help="Take the database's place.")
        parser.add_argument("--commit", action="store_true", help="Carry it out.")
        parser.add_argument(
            "--lose-later-writes",
            action="store_true",
            help="Swap although the database is newer than the backup.",
        )
        parser.add_argument(
            "--no-privileges",
            action="store_true",
            help="Leave the backup's grants out, as for a server whose roles have other names.",
        )
        parser.add_argument(
            "--drop-old", action="store_true", help="Without a name: drop what swaps have kept."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["drop_old"] == bool(options["name"]):
            raise CommandError(
                "Expected the name of a backup, or --drop-old without one: look at the restored "
                "database before the old one goes."
            )
        try:
            with ending_in_order():
                self._drop_old(options) if options["drop_old"] else self._restore(options)
        except (*PROBLEMS, *STORAGE_FAILURES) as error:
            said = redact(str(error).strip().splitlines()[0])
            raise CommandError(f"Nothing was changed: {said}") from None

    def _restore(self, options: dict[str, Any]) -> None:
        wish = Wish(
            backup=self._backup(options["name"]),
            into=options["into"],
            swap=options["swap"],
            lose_later_writes=options["lose_later_writes"],
            privileges=not options["no_privileges"],
        )
        if not options["commit"]:
            for number, step in enumerate(steps(wish), start=1):
                self.stdout.write(f"{number}. {step}")
            self.stdout.write("Nothing was changed. To carry it out, add --commit.")
            return
        self._report(wish, restore(wish, self.stdout.write))

    def _report(self, wish: Wish, outcome: Outcome) -> None:
        self.stdout.write(
            self.style.SUCCESS(
                f"{outcome.database} holds {wish.backup.name}: {outcome.evidence['tables']} tables "
                f"with {outcome.evidence['rows']} rows, as its sidecar says."
            )
        )
        pending = outcome.evidence["migrations_to_apply"]
        if pending:
            self.stdout.write(f"The code has {len(pending)} migrations more: manage.py migrate")
        if outcome.old:
            self.stdout.write(
                f"The old database is {outcome.old}; when it is not needed any more: "
                f"manage.py restore_backup --into {wish.into} --drop-old --commit"
            )

    def _drop_old(self, options: dict[str, Any]) -> None:
        kept = drop_old(options["into"], commit=options["commit"])
        if not kept:
            self.stdout.write(f"No old database of {options['into']} is kept.")
        for name in kept:
            self.stdout.write(f"{'Dropped' if options['commit'] else 'Would drop'} {name}")
        if kept and not options["commit"]:
            self.stdout.write("Nothing was changed. To carry it out, add --commit.")

    def _backup(self, name: str) -> Backup:
        backup = newest() if name == "latest" else find(name)
        if backup is None:
            raise CommandError(f"There is no complete backup {name!r}; see: manage.py listbackups")
        return backup
