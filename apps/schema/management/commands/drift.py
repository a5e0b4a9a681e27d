"""Compares models, migrations, their records and the live catalog."""

import argparse
import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError

from apps.database.redaction import redact
from apps.schema.drift import Report, find_drift

COULD_NOT_SEE = 2


class Command(BaseCommand):
    help = (
        "Compares the models, the migrations, their records and the live schema, as the auditor "
        "role; changes nothing. Exit: 0 no drift, 1 drift, 2 could not see all and found none."
    )
    # The schema may be the very thing that is wrong.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, metavar="ALIAS")
        parser.add_argument("--format", choices=("table", "json"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        alias = options["database"]
        if alias not in settings.DATABASES:
            known = ", ".join(settings.DATABASES)
            raise CommandError(
                f"There is no database alias {alias!r}; expected {known}.", returncode=COULD_NOT_SEE
            )
        try:
            report = find_drift(alias)
        except DatabaseError as error:
            reason = redact(str(error).strip().splitlines()[0])
            raise CommandError(
                f"The database cannot be read: {reason}", returncode=COULD_NOT_SEE
            ) from None
        if options["format"] == "json":
            self.stdout.write(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
        else:
            self._table(report)
        if report.exit_code:
            raise CommandError(_total(report), returncode=report.exit_code)

    def _table(self, report: Report) -> None:
        for drift in report.findings:
            words = drift.kind.replace("_", " ")
            self.stdout.write(
                f"{self.style.ERROR(words)}  {drift.subject}: expected "
                f"{drift.expected or 'nothing'}; found {drift.actual or 'nothing'}"
            )
            self.stdout.write(f"  → {drift.remedy}")
        for line in report.unseen:
            self.stdout.write(f"{self.style.WARNING('unseen')}  {line}")
        if not report.exit_code:
            self.stdout.write(f"No drift: {report.tables} tables are what their models say.")


def _total(report: Report) -> str:
    return f"{len(report.findings)} differences, {len(report.unseen)} unseen."
