"""The application of the controls."""

from typing import ClassVar

from django.apps import AppConfig


class ControlsConfig(AppConfig):
    name = "apps.controls"
    auditor_reads = True
    # Only the auditor inserts evidence; nobody but the owner may change it.
    append_only: ClassVar[set[str]] = {"controls_assessment", "controls_verdict"}
    # Only who may remove evidence, the owner, writes down where the removed part ended.
    owner_writes: ClassVar[set[str]] = {"controls_checkpoint"}
    # Every backup's sidecar keeps the head of this chain.
    chained: ClassVar[dict[str, tuple[str, str]]] = {"controls_assessment": ("sequence", "digest")}
