"""The application of the controls."""

from typing import ClassVar

from django.apps import AppConfig


class ControlsConfig(AppConfig):
    name = "apps.controls"
    auditor_reads = True
    # Only the auditor inserts evidence; nobody but the owner may change it.
    append_only: ClassVar[set[str]] = {"controls_assessment", "controls_verdict"}
