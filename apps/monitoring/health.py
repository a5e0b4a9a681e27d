"""Is the process alive, has it started, can it serve: three questions of platforms."""

import asyncio
import dataclasses
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from health_check.base import HealthCheck, HealthCheckResult
from health_check.exceptions import ServiceUnavailable
from health_check.views import HealthCheckView

from apps.database.resilience import RETRY_AFTER_SECONDS
from apps.monitoring.facts import Facts, Look, look
from apps.monitoring.forms import as_html, as_json, as_text, chosen_form
from apps.monitoring.patience import OutOfTime, Shared
from apps.monitoring.states import State, note_changes, overall

# The answer of ready must come within 1.5 s, and platforms give a probe one second at least.
READY_SECONDS = 1.2


def live(request: HttpRequest) -> HttpResponse:
    """200 while the process answers; asks no database, so that an outage restarts nobody."""
    response = HttpResponse("OK\n", content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-store"
    return response


@dataclasses.dataclass(repr=False)
class Check(HealthCheck):
    """A check that strangers know by its name alone; its messages are our own words."""

    # The questions have budgets of their own, shorter than this.
    timeout = timedelta(seconds=10)
    name = ""

    def __repr__(self) -> str:
        return self.name

    @property
    def labels(self) -> dict[str, str]:
        return {"check": self.name}


def answered(asked: Shared[Any]) -> Any:
    """The answer; ServiceUnavailable, without the server's words, when there is none."""
    try:
        return asked.get()
    except (DatabaseError, OutOfTime) as error:
        raise ServiceUnavailable("no answer") from error


@dataclasses.dataclass(repr=False)
class DatabaseAnswers(Check):
    """One question on a connection of its own."""

    asked: Shared[Look] | Shared[Facts]
    name = "database"

    def run(self) -> None:
        answered(self.asked)


@dataclasses.dataclass(repr=False)
class MigrationsApplied(Check):
    """The schema is the one that this code expects."""

    asked: Shared[Look] | Shared[Facts]
    name = "migrations"

    def run(self) -> None:
        found = answered(self.asked)
        pending = found.look.pending if isinstance(found, Facts) else found.pending
        if pending:
            raise ServiceUnavailable(f"{len(pending)} wait")


class ProbeView(HealthCheckView):
    """Runs its checks; 503 with Retry-After when one is broken, never for a warning."""

    results: list[HealthCheckResult]
    scraped = False

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.results = list(
            await asyncio.gather(*(check.get_result() for check in self.get_checks()))
        )
        note_changes(self.results)
        return self.answer(request)

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The results in the form that was asked for."""
        form = chosen_form(request)
        state = overall(self.results)
        if form == "openmetrics":
            response: HttpResponse = self.render_to_response_openmetrics()
        else:
            render = {"json": as_json, "html": as_html, "text": as_text}[form]
            response = render(request, state, self.results)
        # A scraper that is answered 503 throws away what it was told; who probes needs the status.
        if state is State.BROKEN and not (self.scraped and form == "openmetrics"):
            response.status_code = 503
            response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response


_has_been_ready = threading.Event()


class ReadyView(ProbeView):
    """200 when the database answers and its schema fits."""

    def get_checks(self) -> Iterator[HealthCheck]:
        asked = Shared(READY_SECONDS, look)
        yield DatabaseAnswers(asked)
        yield MigrationsApplied(asked)

    def answer(self, request: HttpRequest) -> HttpResponse:
        if overall(self.results) is not State.BROKEN:
            _has_been_ready.set()
        return super().answer(request)


class StartupView(ReadyView):
    """200 from the first time that this process was ready; what comes later is for the others."""

    def get_checks(self) -> Iterator[HealthCheck]:
        return iter(()) if _has_been_ready.is_set() else super().get_checks()
