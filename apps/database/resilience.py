"""An outage of the database becomes a 503 with Retry-After, never a 500 or a hang."""

import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.database.occurrences import request_answered
from apps.database.outages import is_outage

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
_MET = "_met_an_outage"
_SAYS_SO = "_says_that_there_is_an_outage"

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


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
    setattr(response, _SAYS_SO, True)
    return response


def says_outage(response: HttpResponseBase) -> bool:
    """Whether the answer was given in place of one that needed the database."""
    return hasattr(response, _SAYS_SO)


class OutageMiddleware:
    """Answers 503 where anything inside met an outage; all that may need the database is inside.

    Views are seen by `process_exception`. Sessions, sign-in and other middleware fail outside any
    view, where Django has made a 500 of it by the time the response arrives here, in DEBUG a debug
    page; `note_outage` hears of it before that.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Answer]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        started = time.perf_counter()
        response = self.get_response(request)
        if isinstance(response, HttpResponseBase):
            return self._finished(request, response, started)
        return self._later(request, response, started)

    async def _later(
        self, request: HttpRequest, response: Awaitable[HttpResponseBase], started: float
    ) -> HttpResponseBase:
        return self._finished(request, await response, started)

    def _finished(
        self, request: HttpRequest, response: HttpResponseBase, started: float
    ) -> HttpResponseBase:
        if hasattr(request, _MET):
            response = unavailable(request)
        seconds = time.perf_counter() - started
        request_answered.send_robust(
            type(self), request=request, response=response, seconds=seconds
        )
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not is_outage(error):
            return None
        _close_connections(request, error)
        return unavailable(request)


def note_outage(request: HttpRequest | None = None, **signal: Any) -> None:
    """A receiver of `got_request_exception`, which is sent while the exception is handled."""
    error = sys.exc_info()[1]
    if request is not None and is_outage(error):
        setattr(request, _MET, True)
        _close_connections(request, error)


def _close_connections(request: HttpRequest, error: BaseException | None) -> None:
    """Let this thread's connections go: a dead one would fail the next request too."""
    logger.warning("The database cannot serve %s: %s", request.path, type(error).__name__)
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Unavailable</title></head>
<body><main><h1>Unavailable for the moment</h1>
<p>The database cannot be reached. Nothing was lost; try again in a few seconds.</p>
</main></body></html>
"""
