"""What each process counts of its own work; labels come from closed lists, never from a user."""

import time
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from psycopg_pool import PoolTimeout

from apps.database.refusals import UnprovenServer
from apps.database.resilience import says_outage
from apps.database.statistics import current, transports

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
LONG = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
KINDS = {word.upper(): word for word in ("select", "insert", "update", "delete")}
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# What a probing stranger provokes: statements that do not parse, and rights that app lacks.
SUSPICIOUS = {"42601": "syntax", "42501": "privilege"}
# Connection, data, constraint, transaction state, conflict, statement, resources, state of objects,
# operator. Others happen to nobody in particular.
CLASSES = ("08", "22", "23", "25", "40", "42", "53", "55", "57")
REFRESH_SECONDS = 1.0


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"holdfast_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    """What all living processes hold together."""
    return Gauge(f"holdfast_{name}", text, labels, registry=REGISTRY, multiprocess_mode="livesum")


def _histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(f"holdfast_{name}", text, labels, registry=REGISTRY, buckets=buckets)


QUERIES = _histogram(
    "query_seconds", "Time of statements by database alias and kind.", "alias", "kind",
    buckets=SHORT,
)  # fmt: skip
SLOW_QUERIES = _counter("slow_queries", "Statements slower than SLOW_QUERY_MS.", "alias")
TRANSACTIONS = _histogram(
    "transaction_seconds", "Time of transactions by alias and end: commit, rollback or failed.",
    "alias", "end", buckets=LONG,
)  # fmt: skip
ERRORS = _counter(
    "database_errors", "Errors of statements by alias and SQLSTATE class.", "alias", "sqlstate"
)
REFUSED_STATEMENTS = _counter(
    "refused_statements", "Statements refused for their syntax or a missing privilege.", "reason"
)
CONNECTS = _histogram("connect_seconds", "Time of attempts to reach the server.", buckets=SHORT)
CONNECT_FAILURES = _counter("connect_failures", "Attempts that failed, by class.", "reason")
POOL_WAITS = _histogram("pool_wait_seconds", "Time waited for a pooled connection.", buckets=SHORT)
POOL_TIMEOUTS = _counter("pool_timeouts", "Requests that got no connection of the pool in time.")
CONNECTIONS = _gauge("connections", "Connections held now, by state.", "state")
OVERFLOW = _gauge("connections_overflow", "Connections held beyond what is expected.")
WAITING = _gauge("pool_waiting_requests", "Requests that wait for a pooled connection now.")
TRANSPORTS = _gauge(
    "connections_by_transport", "Connections held: tls, clear, socket.", "transport"
)
RETRIES = _counter("retries", "What was tried again: connect, read, serializable.", "what")
REQUESTS = _counter("requests", "Answers by method and status.", "method", "status")
REQUEST_TIMES = _histogram("request_seconds", "Time of answers by area.", "area", buckets=LONG)
OUTAGE_ANSWERS = _counter("outage_answers", "Answers of 503 for want of the database.")
REDACTIONS = _counter("redactions", "Secrets masked in what would have left, by kind.", "kind")
LOGIN_FAILURES = _counter("login_failures", "Failed attempts to sign in.")

FAILURES = {"28": "refused_role", "53": "too_many", "57": "not_accepting", "3D": "no_database"}
# From zero, so that the first of its kind is an increase.
for _metric, *_label_values in (
    (REFUSED_STATEMENTS, SUSPICIOUS.values()),
    (RETRIES, ("connect", "read", "serializable")),
    (REDACTIONS, ("known", "form")),
    (SLOW_QUERIES, (DEFAULT_DB_ALIAS,)),
    (CONNECT_FAILURES, (*FAILURES.values(), "unproven_server", "pool_timeout", "timeout")),
    (CONNECT_FAILURES, ("unreachable", "other")),
    (TRANSACTIONS, (DEFAULT_DB_ALIAS,), ("commit", "rollback", "failed")),
    (ERRORS, (DEFAULT_DB_ALIAS,), (*CLASSES, "none", "other")),
    (REQUESTS, ("GET", "POST"), ("200", "500", "503")),
):
    for _values in product(*_label_values):
        _metric.labels(*_values)


class TimedQueries:
    """An execute wrapper: each connection has one, and no engine is exchanged for it."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._observe = {
            kind: QUERIES.labels(alias, kind).observe for kind in (*KINDS.values(), "other")
        }

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        except DatabaseError as error:
            self._note(error)
            raise
        finally:
            seconds = time.perf_counter() - started
            self._observe[kind_of(sql)](seconds)
            if seconds >= settings.SLOW_QUERY_SECONDS:
                SLOW_QUERIES.labels(self.alias).inc()

    def _note(self, error: DatabaseError) -> None:
        state = sqlstate_of(error)
        known = state[:2] if state[:2] in CLASSES else "other"
        ERRORS.labels(self.alias, known if state else "none").inc()
        if state in SUSPICIOUS:
            REFUSED_STATEMENTS.labels(SUSPICIOUS[state]).inc()


def kind_of(sql: Any) -> str:
    return KINDS.get(sql[:6].upper(), "other") if isinstance(sql, str) else "other"


def sqlstate_of(error: BaseException) -> str:
    """Empty where no server said it."""
    cause = error.__cause__ if isinstance(error, DatabaseError) else error
    return (cause.sqlstate if isinstance(cause, psycopg.Error) else None) or ""


@cache
def alias_of(alias: str) -> str:
    return alias if alias in settings.DATABASES else "other"


def time_queries(connection: BaseDatabaseWrapper, **signal: Any) -> None:
    """A receiver of `connection_created`, which comes again with every new session."""
    wrappers = connection.execute_wrappers
    if not any(isinstance(wrapper, TimedQueries) for wrapper in wrappers):
        wrappers.append(TimedQueries(alias_of(connection.alias)))


def note_connect(seconds: float, error: Exception | None, **signal: Any) -> None:
    CONNECTS.observe(seconds)
    if error is not None:
        CONNECT_FAILURES.labels(failure_class(error)).inc()


def failure_class(error: Exception) -> str:
    """Why a connection could not be had, in one of a few words."""
    if isinstance(error, UnprovenServer):
        return "unproven_server"
    if isinstance(error, PoolTimeout):
        return "pool_timeout"
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return "timeout"
    state = sqlstate_of(error) or _said_by_the_server(error)
    return FAILURES.get(state[:2], "other") if state else "unreachable"


# libpq keeps the state of a refused start-up to itself, so its words must do.
_WORDS = {
    "password authentication failed": "28",
    "no pg_hba.conf entry": "28",
    "not permitted to log in": "28",
    "too many c": "53",
    "connection slots are reserved": "53",
    "the database system is": "57",
    '" does not exist': "3D",
}


def _said_by_the_server(error: Exception) -> str:
    text = str(error)
    return next((state for words, state in _WORDS.items() if words in text), "")


def note_wait(seconds: float, error: Exception | None, **signal: Any) -> None:
    POOL_WAITS.observe(seconds)
    if error is not None:
        POOL_TIMEOUTS.inc()
        CONNECT_FAILURES.labels(failure_class(error)).inc()


def note_transaction(alias: str, end: str, seconds: float, **signal: Any) -> None:
    TRANSACTIONS.labels(alias_of(alias), end).observe(seconds)


def note_retry(what: str, **signal: Any) -> None:
    RETRIES.labels(what).inc()


def note_redaction(kind: str, count: int, **signal: Any) -> None:
    REDACTIONS.labels(kind).inc(count)


def note_failed_login(**signal: Any) -> None:
    LOGIN_FAILURES.inc()


def note_answer(
    request: HttpRequest, response: HttpResponseBase, seconds: float, **signal: Any
) -> None:
    method = request.method if request.method in METHODS else "other"
    REQUESTS.labels(method, str(response.status_code)).inc()
    REQUEST_TIMES.labels(area_of(request)).observe(seconds)
    if says_outage(response):
        OUTAGE_ANSWERS.inc()


def area_of(request: HttpRequest) -> str:
    """The part of the site, as its addresses are grouped; `none` where no view was found."""
    match = request.resolver_match
    if match is None:
        return "none"
    return match.app_names[0] if match.app_names else match.url_name or "other"


_refreshed_at = 0.0


def refresh_sometimes(**signal: Any) -> None:
    """A receiver of `request_finished`: what is held now, told once a second at most."""
    global _refreshed_at  # one moment a process
    now = time.monotonic()
    if now - _refreshed_at >= REFRESH_SECONDS:
        _refreshed_at = now
        refresh()


def refresh() -> None:
    """Say what this process holds now."""
    held = current()
    CONNECTIONS.labels("idle").set(held.idle)
    CONNECTIONS.labels("active").set(held.active)
    OVERFLOW.set(held.overflow)
    WAITING.set(held.waiting)
    for transport, count in transports().items():
        TRANSPORTS.labels(transport).set(count)
