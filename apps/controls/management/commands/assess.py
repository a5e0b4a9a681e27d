"""Judges a database, and remembers what it saw."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, DatabaseError

from apps.controls.assess import Report, assess, own_target, record
from apps.controls.control import Control, Verdict
from apps.controls.discovery import CatalogueError, all_controls, select
from apps.controls.inspection import one_line
from apps.controls.report import MARKS, as_json, self_test_table, table
from apps.controls.selftest import self_test
from apps.database.redaction import redact

COULD_NOT_RUN = 3


class Command(BaseCommand):
    help = (
        "Judges the database with the controls of the catalogue. Exit: 0 all pass, 1 a failure, "
        "2 an unknown and no failure, 3 could not run. With --self-test: 0 every specimen killed, "
        "1 a survivor, 2 none survived and some not run."
    )
    # The database may be the very thing that is wrong.
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--control", action="extend", nargs="+", default=[], metavar="ID")
        parser.add_argument("--risk", action="extend", nargs="+", default=[], metavar="CODE")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, metavar="ALIAS")
        parser.add_argument("--format", choices=("table", "json"), default="table")
        parser.add_argument("--no-record", action="store_true", help="Leave no evidence behind.")
        parser.add_argument("--self-test", action="store_true", help="Prove that they can fail.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            controls = select(all_controls(), options["control"], options["risk"])
        except CatalogueError as error:
            raise CommandError(str(error), returncode=COULD_NOT_RUN) from None
        if options["self_test"]:
            self._self_test(controls, options["format"])
        else:
            self._assess(controls, options)

    def _assess(self, controls: list[Control], options: dict[str, Any]) -> None:
        try:
            target = own_target(options["database"])
            report = assess(target, controls, progress=self._progress)
        except KeyError:
            raise CommandError(
                f"There is no database alias {options['database']!r}.", returncode=COULD_NOT_RUN
            ) from None
        except DatabaseError as error:
            raise CommandError(
                f"The database cannot be reached: {redact(one_line(error))}",
                returncode=COULD_NOT_RUN,
            ) from None
        if not options["no_record"]:
            report = self._record(report, complete=len(controls) == len(all_controls()))
        self.stdout.write(as_json(report) if options["format"] == "json" else table(report))
        if report.exit_code:
            totals = report.totals
            raise CommandError(
                f"{totals['fail']} fail, {totals['unknown']} unknown.", returncode=report.exit_code
            )

    def _record(self, report: Report, *, complete: bool) -> Report:
        try:
            return record(report, complete=complete)
        except DatabaseError as error:
            self.stderr.write(f"Not recorded: {redact(one_line(error))}")
            return report

    def _self_test(self, controls: list[Control], form: str) -> None:
        report = self_test(controls, progress=self._specimen)
        self.stdout.write(as_json(report) if form == "json" else self_test_table(report))
        if report.exit_code:
            raise CommandError(
                f"{len(report.failures)} survived, {len(report.not_run)} not run.",
                returncode=report.exit_code,
            )

    def _progress(self, verdict: Verdict) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"{verdict.control:<11} {MARKS[verdict.state]}")

    def _specimen(self, control: Control, specimen: str) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"{control.id:<11} {specimen}")
