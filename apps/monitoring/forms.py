"""The forms in which results are told: text, JSON, a page."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from health_check.base import HealthCheckResult

from apps.monitoring.states import State, state_of

# Text first: probes accept anything, and their logs show what they got.
MEDIA_TYPES = {
    "text/plain": "text",
    "text/html": "html",
    "application/json": "json",
    "application/openmetrics-text": "openmetrics",
}


def chosen_form(request: HttpRequest) -> str:
    """What `?format=` names, else what the client would rather have, else text."""
    named = request.GET.get("format", "")
    if named in MEDIA_TYPES.values():
        return named
    preferred = request.get_preferred_type(list(MEDIA_TYPES))
    return MEDIA_TYPES[preferred or "text/plain"]


def as_text(
    request: HttpRequest, state: State, results: Sequence[HealthCheckResult]
) -> HttpResponse:
    """A line for each check, after one for all."""
    lines = [str(state), *(f"{row['name']}: {_told(row)}" for row in rows_of(results))]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")


def _told(row: dict[str, object]) -> str:
    return f"{row['state']}, {row['detail']}" if row["detail"] else str(row["state"])


def as_json(
    request: HttpRequest, state: State, results: Sequence[HealthCheckResult]
) -> HttpResponse:
    return JsonResponse({"state": str(state), "checks": rows_of(results)})


def as_html(
    request: HttpRequest, state: State, results: Sequence[HealthCheckResult]
) -> HttpResponse:
    """A page without a style of its own, so that it needs no file that may be missing."""
    context = {"state": str(state), "rows": rows_of(results)}
    return render(request, "monitoring/health.html", context)


def rows_of(results: Sequence[HealthCheckResult]) -> list[dict[str, object]]:
    return [
        {
            "name": repr(result.check),
            "state": str(state_of(result.error)),
            "detail": str(result.error.message) if result.error else "",
            "seconds": round(result.time_taken, 3),
        }
        for result in results
    ]
