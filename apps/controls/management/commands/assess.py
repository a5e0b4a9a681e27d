"""Judges a database, and remembers what it saw of the project's own."""

import argparse
import sys
from dataclasses import replace
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.management.color import no_style
from django.db import DEFAULT_DB_ALIAS, DatabaseError

from apps.controls.assess import Report, assess, record
from apps.controls.changes import changes, newest_verdicts
from apps.controls.control import Control, Verdict
from apps.controls.discovery import CatalogueError
from apps.controls.inspection import one_line
from apps.controls.pointing import Plan, plan_of, shows_password, unreachable
from apps.controls.report import FORMATS, as_json, render, self_test_table
from apps.controls.selftest import self_test
from apps.controls.suppressions import SuppressionError
from apps.controls.words import MARKS
from apps.database.redaction import redact
from config.env import ConfigurationError
from config.variables import ASSESSED

COULD_NOT_RUN = 3
SELF_TEST_FORMATS = ("table", "json")


class Command(BaseCommand):
    help = (
        "Judges a database with the controls of the catalogue: the project's own, or the one of an "
        f"address ({ASSESSED} or --database-url), PostgreSQL 14 to 18, as whatever role the "
        "address names. Only the project's own assessments are recorded; nothing is written to "
        "another database. Exit: 0 all pass, 1 a failure, 2 an unknown and no failure, 3 could not "
        "run. With --self-test: 0 every specimen killed, 1 a survivor, 2 none survived and some "
        "not run."
    )
    # The database may be the very thing that is wrong.
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("--control", action="extend", nargs="+", default=[], metavar="ID")
        add("--risk", action="extend", nargs="+", default=[], metavar="CODE")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--database", default=DEFAULT_DB_ALIAS, metavar="ALIAS")
        which.add_argument(
            "--database-url",
            metavar="URL",
            help="Another database. A password belongs into the variable "
            f"{ASSESSED}: a command line can be read by everybody on the machine.",
        )
        add("--app-role", metavar="ROLE", help="The service's role there; without it: unknown.")
        add(
            "--scope",
            choices=("platform", "all"),
            help="platform: what a connection alone is enough for, the default for an address. "
            "all: what needs the project too.",
        )
        add("--format", choices=FORMATS, default="table")
        add("--active", action="store_true", help="Attempt what must be refused there, too.")
        add(
            "--fail-on",
            choices=("fail", "unknown", "never"),
            default="unknown",
            help="From which state on the exit code says so; never: 0, unless it could not run.",
        )
        add("--since", choices=("last",), help="Show what changed since each was judged last.")
        add(
            "--suppressions",
            metavar="FILE",
            help="Findings that are no defects; holdfast.toml for the project's own database.",
        )
        add("--no-record", action="store_true", help="Leave no evidence behind.")
        add("--self-test", action="store_true", help="Prove that they can fail.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            plan = plan_of(options)
        except (CatalogueError, ConfigurationError, SuppressionError) as error:
            raise CommandError(redact(str(error)), returncode=COULD_NOT_RUN) from None
        if options["self_test"]:
            self._self_test(plan.controls, options["format"])
        else:
            self._assess(plan, options)

    def _assess(self, plan: Plan, options: dict[str, Any]) -> None:
        if shows_password(options["database_url"]):
            self.stderr.write(f"The password stands in the process list; {ASSESSED} hides it.")
        try:
            report = assess(
                plan.target,
                plan.controls,
                # Without the word, the project's own database alone is tried out.
                active=options["active"] or None,
                progress=self._progress,
                suppressions=plan.suppressions,
            )
        except DatabaseError as error:
            raise CommandError(
                redact(unreachable(plan.target, error)), returncode=COULD_NOT_RUN
            ) from None
        if options["since"]:
            report = self._compared(report)
        if plan.target.own and not options["no_record"]:
            report = self._record(report, complete=plan.complete)
        self.stdout.write(render(report, options["format"], self._style(options)))
        self._exit(report, options["fail_on"])

    def _style(self, options: dict[str, Any]) -> Any:
        """Colours for whoever looks, and for nobody who asked for none."""
        coloured = self.stdout.isatty() or options["force_color"]
        return self.style if coloured and not options["no_color"] else no_style()

    def _exit(self, report: Report, fail_on: str) -> None:
        code = report.exit_code
        if fail_on == "never" or (fail_on == "fail" and code != 1):
            return
        if code:
            totals = report.totals
            raise CommandError(
                f"{totals['fail']} fail, {totals['unknown']} unknown.", returncode=code
            )

    def _compared(self, report: Report) -> Report:
        try:
            return replace(
                report, changes=changes(report.verdicts, newest_verdicts(report.database))
            )
        except DatabaseError as error:
            raise CommandError(
                f"The evidence cannot be read: {redact(one_line(error))}",
                returncode=COULD_NOT_RUN,
            ) from None

    def _record(self, report: Report, *, complete: bool) -> Report:
        try:
            return record(report, complete=complete)
        except DatabaseError as error:
            self.stderr.write(f"Not recorded: {redact(one_line(error))}")
            return report

    def _self_test(self, controls: list[Control], form: str) -> None:
        if form not in SELF_TEST_FORMATS:
            raise CommandError(
                f"--self-test has no format {form}; expected {' or '.join(SELF_TEST_FORMATS)}.",
                returncode=COULD_NOT_RUN,
            )
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
