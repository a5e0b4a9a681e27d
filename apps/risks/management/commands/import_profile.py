"""Imports risk profiles into the register."""

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError

from apps.risks.importer.read import UnreadableProfile, read_profile
from apps.risks.report import Outcome, as_json, as_lines
from apps.risks.store import preview, store

MANY_FILES = 5


class Command(BaseCommand):
    help = (
        "Reads risk profiles (Markdown) into the register, one transaction a file.\n\n"
        "The same document again changes nothing; a changed one makes a new revision.\n"
        "Exit codes: 0 all files are full or partial, 1 some are unstructured or rejected."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        kwargs["formatter_class"] = RawDescriptionHelpFormatter
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH", help="a risk profile in Markdown")
        parser.add_argument(
            "--dry-run", action="store_true", help="read and compare, but write nothing"
        )
        parser.add_argument("--format", choices=("table", "json"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        outcomes = list(self._outcomes(options["paths"], options["dry_run"]))
        if options["format"] == "json":
            self.stdout.write(json.dumps(as_json(outcomes), indent=2, ensure_ascii=False))
        else:
            for line in as_lines(outcomes, is_dry_run=options["dry_run"]):
                self.stdout.write(line)
        bad = [outcome for outcome in outcomes if not outcome.is_good]
        if bad:
            raise CommandError(
                f"{len(bad)} of {len(outcomes)} files could not be read as a profile with risks.",
                returncode=1,
            )

    def _outcomes(self, paths: Sequence[str], is_dry_run: bool) -> Iterator[Outcome]:
        shows_progress = len(paths) >= MANY_FILES and self.stderr.isatty()
        for number, path in enumerate(paths, start=1):
            if shows_progress:
                self.stderr.write(f"\rReading file {number} of {len(paths)}", ending="")
            yield import_file(path, is_dry_run=is_dry_run)
        if shows_progress:
            self.stderr.write("")


def import_file(path: str, *, is_dry_run: bool) -> Outcome:
    """Reads and keeps one file; an unreadable one leaves nothing behind."""
    try:
        document = read_profile(Path(path))
    except UnreadableProfile as error:
        return Outcome(path, error=str(error))
    try:
        stored = preview(document) if is_dry_run else store(document)
    except ProgrammingError as error:
        raise CommandError(
            f"The register's tables cannot be used ({str(error).splitlines()[0]}); "
            "expected a migrated database: python manage.py migrate"
        ) from None
    except OperationalError:
        raise CommandError(
            "The database does not answer, so nothing of this file was kept; "
            "start it (python manage.py embedded start) or check DATABASE_URL."
        ) from None
    return Outcome(path, document, stored)
