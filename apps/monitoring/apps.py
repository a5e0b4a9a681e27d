"""The applications of operation: our own, and the queue's with the privileges of its tables."""

from typing import ClassVar

from django.apps import AppConfig
from django.contrib.auth.signals import user_login_failed
from django.core.signals import request_finished
from django.db.backends.signals import connection_created
from procrastinate import App
from procrastinate.contrib.django import procrastinate_app
from procrastinate.contrib.django.apps import ProcrastinateConfig

from apps.database import occurrences
from apps.monitoring import metrics

LISTENERS = (
    (connection_created, metrics.time_queries),
    (occurrences.connect_tried, metrics.note_connect),
    (occurrences.pool_waited, metrics.note_wait),
    (occurrences.transaction_ended, metrics.note_transaction),
    (occurrences.tried_again, metrics.note_retry),
    (occurrences.request_answered, metrics.note_answer),
    (occurrences.redacted, metrics.note_redaction),
    (user_login_failed, metrics.note_failed_login),
    (request_finished, metrics.refresh_sometimes),
)


class MonitoringConfig(AppConfig):
    name = "apps.monitoring"
    auditor_reads = True
    # The worker, who makes backups too, writes down what it did.
    owner_writes: ClassVar[set[str]] = {"monitoring_jobrun"}

    def ready(self) -> None:
        for signal, listener in LISTENERS:
            signal.connect(listener, dispatch_uid=f"apps.monitoring.{listener.__name__}")


class QueueConfig(ProcrastinateConfig):
    """procrastinate's application. Only the owner writes the queue.

    Who could write it as app would choose what a process with the owner's credentials does.
    """

    auditor_reads = True
    irreversible = "The library's migrations go forward only; the way back is a backup."
    owner_writes: ClassVar[set[str]] = {
        *("procrastinate_jobs", "procrastinate_events", "procrastinate_periodic_defers"),
        "procrastinate_workers",
    }

    def ready(self) -> None:
        # Django may make its applications again, with other settings; the queue is made once.
        if not isinstance(procrastinate_app.current_app, App):
            super().ready()
