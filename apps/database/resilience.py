"""An outage of the database becomes a 503 with Retry-After, never a 500 or a hang."""

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import psycopg
from django.db import DatabaseError, InterfaceError, connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.defaults import server_error
from psycopg_pool import PoolTimeout

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
# Without a state: no connection. Class 08: connection exceptions. 57P01-03: the server goes down,
# crashed or starts. 53300, 53400: no connection left. 25006: read-only after a failover.
OUTAGE_STATES = frozenset({"57P01", "57P02", "57P03", "53300", "53400", "25006"})


def is_outage(error: BaseException | None) -> bool:
    """Whether the error says that the database cannot serve now, by its SQLSTATE."""
    while error is not None:
        if isinstance(error, PoolTimeout):
            return True
        if isinstance(error, psycopg.Error):
            state = error.sqlstate
            if state is None:
                return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
            return state in OUTAGE_STATES or state.startswith("08")
        if isinstance(error, InterfaceError):
            return True
        error = error.__cause__ if isinstance(error, DatabaseError) else None
    return False


def unavailable(request: HttpRequest) -> HttpResponse:
    """503: problem+json for programs, a page for people; neither asks the database anything."""
    accepts_page = "text/html" in request.headers.get("Accept", "")
    if accepts_page:
        response = HttpResponse(_PAGE, content_type="text/html; charset=utf-8", status=503)
    else:
        response = HttpResponse(
            json.dumps(
                {
                    "type": "about:blank",
                    "title": "Service Unavailable",
                    "status": 503,
                    "detail": "The database cannot be reached. Try again in a few seconds.",
                }
            ),
            content_type="application/problem+json",
            status=503,
        )
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    response["Cache-Control"] = "no-store"
    return response


class OutageMiddleware:
    """Answers 503 where a view met an outage; `handler500` does so for middleware below."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return _answer(request, error)


def handler500(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    """Django's handler500: sessions and other middleware meet outages outside any view."""
    return _answer(request, sys.exc_info()[1]) or server_error(request)


def _answer(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    if not is_outage(error):
        return None
    logger.warning("The database cannot serve %s: %s", request.path, type(error).__name__)
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            # A dead connection would fail the next request too.
            connection.close()
    return unavailable(request)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Unavailable</title></head>
<body><main><h1>Unavailable for the moment</h1>
<p>The database cannot be reached. Nothing was lost; try again in a few seconds.</p>
</main></body></html>
"""
