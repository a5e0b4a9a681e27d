"""The application of the connection and the facts."""

from django.apps import AppConfig
from django.core import checks
from django.core.signals import got_request_exception, request_finished
from django.db.backends.signals import connection_created

from apps.database.reachable import check_reachable
from apps.database.request_id import comment_statements
from apps.database.resilience import note_outage
from apps.database.sizing import check_sizing
from apps.database.statistics import publish_sometimes
from apps.database.transport import check_plaintext


class DatabaseConfig(AppConfig):
    name = "apps.database"

    def ready(self) -> None:
        checks.register(check_reachable, checks.Tags.database)
        checks.register(check_sizing, checks.Tags.database)
        checks.register(check_plaintext, checks.Tags.security)
        connection_created.connect(comment_statements, dispatch_uid="apps.database.request_id")
        got_request_exception.connect(note_outage, dispatch_uid="apps.database.note_outage")
        request_finished.connect(publish_sometimes, dispatch_uid="apps.database.publish")
