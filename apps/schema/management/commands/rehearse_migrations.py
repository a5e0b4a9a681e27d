"""Rehearses pending migrations on a scratch copy."""

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.backups.tools import ToolError
from apps.database.connection import role_entry
from apps.database.redaction import redact
from apps.database.server import ServerError
from apps.schema.rehearsal.copy import chosen_source
from apps.schema.rehearsal.faults import one_line
from apps.schema.rehearsal.limit import LIMIT_SECONDS
from apps.schema.rehearsal.live import read_live
from apps.schema.rehearsal.place import CannotRehearse
from apps.schema.rehearsal.record import record
from apps.schema.rehearsal.rehearse import Rehearsal, read_files, rehearse
from apps.schema.rehearsal.report import as_json, markdown, table
from apps.schema.rehearsal.verdict import Level

COULD_NOT_RUN = 3
FORMATS = {"table": table, "json": as_json, "markdown": markdown}


class Command(BaseCommand):
    help = (
        "Runs the pending migrations on a scratch copy and says what each would do to the real "
        "database, which is only read, but for one row that remembers the rehearsal. Without a "
        "source: the newest backup, else the live database. "
        "Exit: 0 safe, 1 unsafe, 3 could not run."
    )
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("app_label", nargs="?")
        parser.add_argument("migration_name", nargs="?")
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--empty", action="store_true", help="Tables without rows.")
        source.add_argument("--from-live", action="store_true", help="A dump made now.")
        source.add_argument("--from-backup", metavar="NAME", help="A name of listbackups.")
        parser.add_argument(
            "--time-limit",
            type=_seconds,
            default=LIMIT_SECONDS,
            metavar="SECONDS",
            help="How long one run of one migration may take before it is stopped and named.",
        )
        parser.add_argument("--no-record", action="store_true", help="Remember nothing of it.")
        parser.add_argument("--format", choices=tuple(FORMATS), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with _terminated_like_interrupted():
                rehearsal = self._rehearse(options)
        except (CannotRehearse, DatabaseError, ServerError, ToolError, OSError) as error:
            raise CommandError(redact(one_line(error)), returncode=COULD_NOT_RUN) from None
        except KeyboardInterrupt:
            raise CommandError(
                "Interrupted; the scratch copy is gone, the real database was only read.",
                returncode=COULD_NOT_RUN,
            ) from None
        problem = None if options["no_record"] else record(rehearsal)
        if problem:
            self.stderr.write(f"Not recorded: {redact(problem)}")
        self.stdout.write(FORMATS[options["format"]](rehearsal))
        if not rehearsal.safe:
            unsafe = sum(one.verdict is Level.UNSAFE for one in rehearsal.migrations)
            raise CommandError(f"{unsafe} unsafe.", returncode=1)

    def _rehearse(self, options: dict[str, Any]) -> Rehearsal:
        entry = role_entry("owner")
        source = chosen_source(
            empty=options["empty"],
            live=options["from_live"],
            backup=options["from_backup"],
            database=str(entry["NAME"]),
        )
        app, name = options["app_label"], options["migration_name"]
        _require_target(app, name)
        targets = [(app, name)] if app else []
        live, limit = read_live(entry), options["time_limit"]
        return rehearse(entry, live, source, targets, self._progress, limit)

    def _progress(self, line: str) -> None:
        if sys.stderr.isatty():
            self.stderr.write(line)


def _seconds(text: str) -> float:
    """A number of seconds above zero, of a year at most."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 365 * 86_400:
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is no number of seconds above 0")
    return seconds


def _require_target(app: str | None, name: str | None) -> None:
    """Refuse what no migration is called, before a copy is made. Raises CannotRehearse."""
    if app is None:
        return
    names = [key[1] for key in read_files().graph.nodes if key[0] == app]
    if not names:
        raise CannotRehearse(
            f"There is no application {app[:80]!r} with migrations; see: showmigrations"
        )
    if name is not None and name != "zero" and not any(n.startswith(name) for n in names):
        raise CannotRehearse(f"{app} has no migration {name[:80]!r}; see: showmigrations {app}")


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM cleans up as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    usual = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, usual)
