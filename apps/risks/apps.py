"""The application of the register."""

from django.apps import AppConfig


class RisksConfig(AppConfig):
    name = "apps.risks"
    verbose_name = "Risk register"
    # The roles module lets the auditor read this application's tables.
    auditor_reads = True
