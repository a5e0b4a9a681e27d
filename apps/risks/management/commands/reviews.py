"""Says which reviews of the profile are due, and why."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.utils import timezone

from apps.controls.surroundings import surroundings
from apps.database.connection import acting_as
from apps.database.redaction import redact
from apps.risks.models.review import DUE, UNKNOWN
from apps.risks.report import printable
from apps.risks.reviews import TriggerLine, judge_reviews, record_reviews, trigger_lines
from apps.risks.vulnerabilities import CannotAudit, known_vulnerabilities

COULD_NOT_RUN = 3
MARKS = {DUE: "DUE", UNKNOWN: "unknown"}


class Command(BaseCommand):
    help = (
        "Looks whether something has changed, failed or ended since the profile was reviewed: "
        "versions, the schema, the pool, joined databases, migrations, maintenance, known "
        "vulnerabilities (by pip-audit). What is due stays due until a person marks it as done in "
        "the admin. Exit: 0 none due, 1 due, 2 unknown and none due, 3 could not run."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--format", choices=("table", "json"), default="table")
        parser.add_argument(
            "--offline", action="store_true", help="Do not ask for vulnerabilities."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        audit = _not_asked if options["offline"] else known_vulnerabilities
        try:
            with acting_as("auditor"):
                live = surroundings(connection)
            now = timezone.now()
            record_reviews(judge_reviews(live, now, audit), now)
            lines = trigger_lines()
        except DatabaseError as error:
            said = redact(str(error).strip().splitlines()[0])
            raise CommandError(
                f"The register cannot be used: {said}", returncode=COULD_NOT_RUN
            ) from None
        if options["format"] == "json":
            self.stdout.write(json.dumps(as_json(lines), indent=2, ensure_ascii=False))
        else:
            for text in _table(lines):
                self.stdout.write(text)
        self._end([line.state for line in lines])

    def _end(self, states: list[str]) -> None:
        due, unknown = states.count(DUE), states.count(UNKNOWN)
        if due:
            raise CommandError(
                f"{due} due; who has looked marks it in /admin/risks/review/.", returncode=1
            )
        if unknown:
            raise CommandError(f"{unknown} unknown, none due.", returncode=2)


def _not_asked() -> list[str]:
    raise CannotAudit("It was not asked for: --offline.")


def as_json(lines: list[TriggerLine]) -> dict[str, Any]:
    """The triggers by the names that scripts rely on."""
    return {
        "triggers": [
            {
                "trigger": line.name,
                "state": line.state,
                "reason": line.reason,
                "judged_at": line.judged_at.isoformat() if line.judged_at else None,
                "due_since": line.review.due_since.isoformat() if line.review else None,
            }
            for line in lines
        ]
    }


def _table(lines: list[TriggerLine]) -> Iterator[str]:
    for line in lines:
        yield f"{MARKS.get(line.state, line.state):<8} {line.title}: {printable(line.reason)}"
