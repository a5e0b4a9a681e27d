"""The application of the register."""

from typing import Any
from uuid import UUID

from django.apps import AppConfig
from django.db.models import QuerySet


class RisksConfig(AppConfig):
    name = "apps.risks"
    verbose_name = "Risk register"
    # The roles module lets the auditor read this application's tables.
    auditor_reads = True

    def hot_queries(self) -> dict[str, QuerySet[Any]]:
        """What PERF-002.10 and PERF-003.7 have planned: the register's page and its search."""
        risks: Any = self.get_model("Risk")
        return {
            "the risks of a revision": risks.objects.filter(revision=UUID(int=0)).order_by(),
            "search": risks.objects.search("backups restored"),
        }
