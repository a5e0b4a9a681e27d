"""The application of the controls."""

from typing import Any, ClassVar
from uuid import UUID

from django.apps import AppConfig
from django.db.models import QuerySet


class ControlsConfig(AppConfig):
    name = "apps.controls"
    auditor_reads = True
    # Only the auditor inserts evidence; nobody but the owner may change it.
    append_only: ClassVar[set[str]] = {"controls_assessment", "controls_verdict"}
    # Only who may remove evidence, the owner, writes down where the removed part ended.
    owner_writes: ClassVar[set[str]] = {"controls_checkpoint"}
    # Every backup's sidecar keeps the head of this chain.
    chained: ClassVar[dict[str, tuple[str, str]]] = {"controls_assessment": ("sequence", "digest")}

    def hot_queries(self) -> dict[str, QuerySet[Any]]:
        """What PERF-002.10 has planned: every page of the register asks for these."""
        assessments: Any = self.get_model("Assessment")
        verdicts: Any = self.get_model("Verdict")
        return {
            "the newest assessment": assessments.objects.newest_first()[:1],
            "the verdicts of an assessment": verdicts.objects.filter(assessment=UUID(int=0)),
        }
