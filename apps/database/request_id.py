"""One request has one id: in its answer, in every line that it logs, and in its SQL.

So what `pg_stat_activity`, the server's log and the service's log say can be put side by side.
The comment in SQL is written as sqlcommenter writes it: https://google.github.io/sqlcommenter/.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, cast
from uuid import uuid4

from asgiref.sync import iscoroutinefunction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware
from psycopg.sql import SQL, Composable, Composed

HEADER = "X-Request-ID"
NONE = "-"
_ATTRIBUTE = "request_id"
# What gunicorn calls the header of its answer.
_ATOM = "{x-request-id}o"
# What a proxy may send: it stands in logs and in SQL, so nothing that either reads as its own.
_FORM = re.compile(r"[A-Za-z0-9_-]{8,64}")
_current: ContextVar[str] = ContextVar("request_id", default=NONE)


def current_request_id() -> str:
    """The id of the request that is being answered, or `-`."""
    return _current.get()


def _taken(request: HttpRequest) -> str:
    """The id that a proxy gave, when it has the form of one; otherwise a new one."""
    given = request.headers.get(HEADER, "")
    taken = given if _FORM.fullmatch(given) else uuid4().hex
    setattr(request, _ATTRIBUTE, taken)
    return taken


Answering = Callable[[HttpRequest], HttpResponse]


@sync_and_async_middleware
def request_id_middleware(
    get_response: Answering | Callable[[HttpRequest], Awaitable[HttpResponse]],
) -> Answering | Callable[[HttpRequest], Awaitable[HttpResponse]]:
    """Give the request its id while it is answered; the answer carries it."""
    if iscoroutinefunction(get_response):

        async def answer_later(request: HttpRequest) -> HttpResponse:
            token = _current.set(_taken(request))
            try:
                response: HttpResponse = await get_response(request)
                response[HEADER] = _current.get()
            finally:
                _current.reset(token)
            return response

        return answer_later

    answering = cast("Answering", get_response)

    def answer(request: HttpRequest) -> HttpResponse:
        token = _current.set(_taken(request))
        try:
            response = answering(request)
            response[HEADER] = _current.get()
        finally:
            _current.reset(token)
        return response

    return answer


class RequestIdFilter(logging.Filter):
    """Gives every record the id of the request in which it was logged, or of which it tells.

    Django tells of a bad answer, and gunicorn of every one, when the request is over. Stands before
    the redaction, which takes the record's arguments away.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        told = record.args.get(_ATOM) if isinstance(record.args, Mapping) else None
        request = getattr(record, "request", None)
        record.request_id = told or getattr(request, _ATTRIBUTE, None) or current_request_id()
        return True


def comment_statements(connection: BaseDatabaseWrapper, **signal: Any) -> None:
    """A receiver of `connection_created`: statements of a request end with its id.

    The wrapper outlives its connections, so it is asked again and again and given one comment.
    """
    if _with_comment not in connection.execute_wrappers:
        connection.execute_wrappers.append(_with_comment)


def _with_comment(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    return execute(commented(sql), params, many, context)


def commented(sql: Any) -> Any:
    """The statement, text or composed, with the id of the current request; itself without one."""
    request_id = current_request_id()
    if request_id == NONE:
        return sql
    comment = f" /*request_id='{request_id}'*/"
    if isinstance(sql, Composable):
        # sql-reviewed: the id has letters, digits, - and _ only
        return Composed([sql, SQL(cast("Any", comment))])
    return f"{sql}{comment}"
