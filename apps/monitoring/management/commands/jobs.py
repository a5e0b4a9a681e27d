"""Shows the work that runs by itself, and asks for a job now."""

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from apps.database.redaction import redact
from apps.monitoring.queue import request
from apps.monitoring.schedule import job_named
from apps.monitoring.status import JobStatus, job_statuses


class Command(BaseCommand):
    help = (
        "Lists the jobs: when each falls due, and how it last ended. With --request one is put "
        "into the queue, as owner. Exit: 0 shown or asked for, 1 refused, or the last run of one "
        "failed."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--request", metavar="JOB", help="Run this job as soon as can be.")
        parser.add_argument("--format", choices=("table", "json"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["request"] is not None:
                self._request(options["request"])
                return
            statuses = job_statuses()
        except (LookupError, DatabaseError) as error:
            raise CommandError(redact(str(error).splitlines()[0])) from None
        if options["format"] == "json":
            self.stdout.write(json.dumps({"jobs": [s.as_json() for s in statuses]}, indent=1))
        else:
            for status in statuses:
                self.stdout.write(_line(status))
        failed = [status.job.name for status in statuses if status.state == "failed"]
        if failed:
            raise CommandError(f"The last run failed: {', '.join(failed)}.")

    def _request(self, name: str) -> None:
        number = request(job_named(name))
        if number is None:
            self.stdout.write(f"{name} waits in the queue already.")
        else:
            self.stdout.write(f"{name} is number {number} in the queue; a worker takes it.")


def _line(status: JobStatus) -> str:
    job = status.job
    last = f"{status.last.started_at:%Y-%m-%d %H:%M}" if status.last else "never"
    said = f"  {status.last.said}" if status.last and status.last.said else ""
    return f"{job.name:<10} {job.when:<16} {status.state:<10} {last:<16}{said}".rstrip()
