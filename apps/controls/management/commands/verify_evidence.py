"""Verifies that the evidence is whole."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, transaction

from apps.backups.restoring import STORAGE_FAILURES
from apps.controls.evidence import BROKEN, UNKNOWN, Examination, Outside, examine
from apps.controls.inspection import one_line
from apps.controls.outside import heads_in_sidecars, noted_head
from apps.database.connection import acting_as
from apps.database.redaction import redact
from config.commands import manage

TAIL_UNKNOWN, COULD_NOT_RUN = 2, 3


class Command(BaseCommand):
    help = (
        "Holds every recorded assessment and verdict against its digest, every digest against the "
        "next, and the chain against the heads that backups keep and --head gives. What lies "
        "behind the last such head is unknown, because nothing would miss it. Exit: 0 whole, "
        "1 broken, 2 the tail is unknown and nothing broken, 3 could not run."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--head",
            action="append",
            default=[],
            metavar="PLACE:DIGEST",
            help="A head that was noted elsewhere, such as from the log of an assessment.",
        )
        parser.add_argument("--format", choices=("table", "json"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            outside = [noted_head(text) for text in options["head"]]
        except ValueError as error:
            raise CommandError(str(error), returncode=COULD_NOT_RUN) from None
        outside += self._heads_in_sidecars()
        try:
            with acting_as("auditor"), transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                found = examine(outside)
        except DatabaseError as error:
            raise CommandError(
                f"The evidence cannot be read: {redact(one_line(error))}", returncode=COULD_NOT_RUN
            ) from None
        if options["format"] == "json":
            self.stdout.write(json.dumps(found.as_json(), indent=2))
        else:
            for line in _lines(found):
                self.stdout.write(line)
        self._end(found)

    def _heads_in_sidecars(self) -> list[Outside]:
        name = str(settings.DATABASES[DEFAULT_DB_ALIAS]["NAME"])
        try:
            return list(heads_in_sidecars(name))
        except STORAGE_FAILURES as error:
            said = redact(str(error).strip().splitlines()[0])
            self.stderr.write(f"The backups cannot be read, so their heads are not held: {said}")
            return []

    def _end(self, found: Examination) -> None:
        if found.state == BROKEN:
            raise CommandError(
                f"The chain breaks at assessment {found.breaks[0].sequence}.", returncode=1
            )
        if found.state == UNKNOWN:
            raise CommandError(_why_unknown(found), returncode=TAIL_UNKNOWN)


def _lines(found: Examination) -> Iterator[str]:
    if found.removed_up_to:
        yield f"Up to {found.removed_up_to} the evidence was removed; a checkpoint goes on."
    if found.head and found.count:
        yield (
            f"{found.count} assessments, {found.first} to {found.head.sequence}; "
            f"the head is {found.head}"
        )
    for broken in found.breaks:
        yield f"BROKEN  {broken.sequence}: {broken.detail}"
    if found.confirmed and not found.breaks:
        yield f"Whole up to {found.confirmed}, as {found.confirmed_by} remembers."


def _why_unknown(found: Examination) -> str:
    if found.head is None:
        return (
            f"No assessment is recorded, and nothing remembers one; record one: {manage('assess')}"
        )
    first = found.confirmed + 1
    whole = f"{first} to {found.head.sequence}" if found.tail > 1 else f"{first}"
    return (
        f"The tail ({whole}) is unknown: nothing outside the database remembers it, so that what "
        f"was cut off its end is not missed. Make a backup, whose sidecar will: "
        f"{manage('dbbackup')}; or give the last logged head: --head PLACE:DIGEST"
    )
