"""Runs the checks of health in this process, for probes that run commands."""

import argparse
import asyncio
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from health_check.base import HealthCheckResult

from apps.monitoring.forms import rows_of
from apps.monitoring.full import ReportView
from apps.monitoring.health import ProbeView, ReadyView
from apps.monitoring.states import State, overall

VIEWS: dict[str, type[ProbeView]] = {"ready": ReadyView, "full": ReportView}
EXIT = {State.BROKEN: 1, State.UNKNOWN: 2, State.WARNING: 2}


class Command(BaseCommand):
    help = (
        "Runs the checks of /health/ready/ or of /health/, without a web server. Exit: 0 all is as "
        "it should be, 1 something is broken, 2 nothing is broken, and there are warnings or what "
        "could not be seen."
    )
    # The database may be the very thing that is wrong.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("checks", nargs="?", choices=tuple(VIEWS), default="full")
        parser.add_argument("--format", choices=("table", "json"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        results = asyncio.run(_run(VIEWS[options["checks"]]()))
        state, rows = overall(results), rows_of(results)
        if options["format"] == "json":
            self.stdout.write(json.dumps({"state": str(state), "checks": rows}, indent=2))
        else:
            for row in rows:
                self.stdout.write(f"{row['name']:<12} {row['state']:<8} {row['detail']}".rstrip())
        if state is not State.OK:
            raise CommandError(f"Health: {state}.", returncode=EXIT[state])


async def _run(view: ProbeView) -> list[HealthCheckResult]:
    return list(await asyncio.gather(*(check.get_result() for check in view.get_checks())))
