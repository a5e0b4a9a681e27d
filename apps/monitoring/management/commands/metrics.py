"""Prints what the database tells, as the auditor, who sees more than a web process may."""

from typing import Any

from django.core.management.base import BaseCommand
from prometheus_client import generate_latest

from apps.monitoring.collector import FACTS


class Command(BaseCommand):
    help = (
        "Prints the metrics that the database tells, as the auditor role, in Prometheus's text: "
        "for the textfile collector of node_exporter, by cron. Exit: 0, also when the database is "
        "away, which holdfast_database_up says."
    )
    # The database may be the very thing that is away.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(generate_latest(FACTS).decode(), ending="")
