"""The applications of operation: our own, and the queue's with the privileges of its tables."""

from typing import ClassVar

from django.apps import AppConfig
from procrastinate import App
from procrastinate.contrib.django import procrastinate_app
from procrastinate.contrib.django.apps import ProcrastinateConfig


class MonitoringConfig(AppConfig):
    name = "apps.monitoring"
    auditor_reads = True
    # The worker, who makes backups too, writes down what it did.
    owner_writes: ClassVar[set[str]] = {"monitoring_jobrun"}


class QueueConfig(ProcrastinateConfig):
    """procrastinate's application. Only the owner writes the queue.

    Who could write it as app would choose what a process with the owner's credentials does.
    """

    auditor_reads = True
    owner_writes: ClassVar[set[str]] = {
        *("procrastinate_jobs", "procrastinate_events", "procrastinate_periodic_defers"),
        "procrastinate_workers",
    }

    def ready(self) -> None:
        # Django may make its applications again, with other settings; the queue is made once.
        if not isinstance(procrastinate_app.current_app, App):
            super().ready()
