"""Is the process alive, and can it serve: two questions, two answers in an outage."""

import dataclasses
import datetime
from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable
from health_check.views import HealthCheckView

from apps.database.resilience import RETRY_AFTER_SECONDS


def live(request: HttpRequest) -> HttpResponse:
    """200 while the process answers; asks no database, so that an outage restarts nobody."""
    response = HttpResponse("OK\n", content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-store"
    return response


@dataclasses.dataclass
class DatabaseAnswers(HealthCheck):
    """One statement on a connection of its own; strangers see no reason, only the log does."""

    timeout = datetime.timedelta(seconds=2)

    def run(self) -> None:
        try:
            with connection.temporary_connection() as cursor:
                cursor.execute("SELECT 1")
        except DatabaseError as error:
            raise ServiceUnavailable("no answer") from error


@dataclasses.dataclass
class MigrationsApplied(HealthCheck):
    """The schema is the one that this code expects."""

    timeout = datetime.timedelta(seconds=2)

    def run(self) -> None:
        try:
            executor = MigrationExecutor(connection)
            plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        except DatabaseError as error:
            raise ServiceUnavailable("no answer") from error
        finally:
            # The check runs in a thread of its own, whose connection nobody would close.
            connection.close()
        if plan:
            raise ServiceUnavailable("migrations wait")


class ReadyView(HealthCheckView):
    """200 when the database answers and its schema fits; otherwise 503 with Retry-After."""

    checks: ClassVar[Iterable[type[HealthCheck]]] = (DatabaseAnswers, MigrationsApplied)

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = await super().get(request, *args, **kwargs)
        # The library answers who asks for a feed or for metrics with 200, whatever it found.
        if any(result.error for result in self.results):
            response.status_code = 503
            response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
