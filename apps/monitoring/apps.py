"""The application of operation."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_login_failed
from django.core.signals import request_finished
from django.db.backends.signals import connection_created

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

    def ready(self) -> None:
        for signal, listener in LISTENERS:
            signal.connect(listener, dispatch_uid=f"apps.monitoring.{listener.__name__}")
