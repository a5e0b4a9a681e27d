"""Reads migrations for hazards that their text shows."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from apps.database.server import ServerError
from apps.schema.lint import CannotLint, Lint, lint
from apps.schema.records import NO_GRAPH, graph_sentence
from config.commands import manage


class Command(BaseCommand):
    help = (
        "Reads the project's migrations without executing them: squawk on their SQL, "
        "django-safe-migrations on their operations. Exit: 0 nothing found, 1 something."
    )
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("app_label", nargs="*", help="Without one: all of the project.")
        parser.add_argument("--format", choices=("table", "json"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        for label in options["app_label"]:
            if label not in apps.app_configs:
                raise CommandError(f"There is no application {label[:80]!r}; see: showmigrations")
        try:
            found = lint(options["app_label"])
        except (CannotLint, ServerError) as error:
            raise CommandError(str(error)) from None
        except NO_GRAPH as error:
            raise CommandError(graph_sentence(error)) from None
        if options["format"] == "json":
            said = {"findings": [asdict(one) for one in found]}
            self.stdout.write(json.dumps(said, indent=2, ensure_ascii=False))
        else:
            self._table(found)
        if found:
            raise CommandError(
                f"{len(found)} found. What they do to real rows: {manage('rehearse_migrations')}"
            )

    def _table(self, found: list[Lint]) -> None:
        for one in found:
            self.stdout.write(f"{one.app}.{one.name}: {one.rule}: {one.message}")
            if one.remedy:
                self.stdout.write(f"    {one.remedy.splitlines()[0]}")
        if not found:
            self.stdout.write("Nothing found.")
