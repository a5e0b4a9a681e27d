"""Trying again, only where that is safe: connecting, reading outside a transaction, serialising."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from psycopg import sql
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_not_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from apps.database.occurrences import tried_again
from apps.database.outages import is_conflict, is_outage
from apps.database.refusals import UnprovenServer

P = ParamSpec("P")
R = TypeVar("R")

# After an outage that outlasted a budget, others do not queue up behind the same wall.
GAVE_UP_FOR_SECONDS = 5.0
READ_BUDGET_SECONDS = 2.0


# Exponential back-off with full jitter: from 50 ms to half a second.
_BACKING_OFF: dict[str, Any] = {
    "wait": wait_random_exponential(multiplier=0.05, max=0.5),
    "reraise": True,
}


def _telling(what: str) -> Callable[[RetryCallState], None]:
    """Tell that something is about to be tried again."""

    def tell(state: RetryCallState) -> None:
        tried_again.send_robust(Retrying, what=what)

    return tell


_READING: dict[str, Any] = {
    "before_sleep": _telling("read"),
    "retry": retry_if_exception(is_outage),
    "stop": stop_before_delay(READ_BUDGET_SECONDS),
    **_BACKING_OFF,
}


class ConnectPatience:
    """How long this process goes on trying to connect.

    Once a budget was spent in vain, the next callers try once only, until one succeeds or some
    seconds have passed: requests must not pile up while the server is away.
    """

    def __init__(self) -> None:
        self._gave_up_at: float | None = None

    def call(self, budget_seconds: float, connect: Callable[..., R], **parameters: Any) -> R:
        """Connect; after an outage-like failure again, with exponential back-off and jitter."""
        attempts = Retrying(
            # A certificate does not mend within the budget.
            retry=retry_if_exception(is_outage) & retry_if_not_exception_type(UnprovenServer),
            stop=stop_before_delay(self.shortened(budget_seconds)),
            before_sleep=_telling("connect"),
            **_BACKING_OFF,
        )
        try:
            connection: R = attempts(connect, **parameters)
        except Exception as error:
            # Whoever tries once only, as a probe does, has learnt nothing about waiting.
            if budget_seconds and is_outage(error):
                self.exhausted()
            raise
        self._gave_up_at = None
        return connection

    def exhausted(self) -> None:
        """Note that a budget was spent in vain."""
        self._gave_up_at = time.monotonic()

    def shortened(self, budget_seconds: float) -> float:
        """The budget itself, or a small part of it shortly after one was spent in vain."""
        gave_up_at = self._gave_up_at
        if gave_up_at is None or time.monotonic() - gave_up_at > GAVE_UP_FOR_SECONDS:
            return budget_seconds
        return budget_seconds / 4


def read_again(read: Callable[P, R], using: str = DEFAULT_DB_ALIAS) -> Callable[P, R]:
    """A reading function that is run again, on a new connection, when the database went away.

    For functions, synchronous or not, that change nothing: what they did before the failure is
    done twice. Inside a transaction nothing is retried, because what came before would be lost.
    """
    if iscoroutinefunction(read):
        return cast("Callable[P, R]", _read_again_async(read, using))

    @wraps(read)
    def reading(*args: P.args, **kwargs: P.kwargs) -> R:
        if connections[using].in_atomic_block:
            return read(*args, **kwargs)
        for attempt in Retrying(**_READING):
            with attempt, _closing_after_outage(using):
                return read(*args, **kwargs)
        raise AssertionError("tenacity ends with a result or an error")

    return reading


def _read_again_async(read: Callable[P, Awaitable[R]], using: str) -> Callable[P, Awaitable[R]]:
    # The connection belongs to the thread that the ORM works in, not to the event loop's.
    in_transaction = sync_to_async(lambda: connections[using].in_atomic_block)

    @wraps(read)
    async def reading(*args: P.args, **kwargs: P.kwargs) -> R:
        if await in_transaction():
            return await read(*args, **kwargs)

        async def attempt() -> R:
            try:
                return await read(*args, **kwargs)
            except Exception as error:
                await sync_to_async(_close_after_outage)(error, using)
                raise

        result: R = await AsyncRetrying(**_READING)(attempt)
        return result

    return reading


@contextmanager
def _closing_after_outage(using: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        _close_after_outage(error, using)
        raise


def _close_after_outage(error: Exception, using: str) -> None:
    if is_outage(error):
        connections[using].close()


def serializable(
    retries: int = 5, using: str = DEFAULT_DB_ALIAS
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function run in a serialisable transaction, again when it meets another transaction.

    Whatever the function does beside the database it may do several times. A conflict (SQLSTATE
    40001 or 40P01) is retried up to `retries` times, then raised. It must be the outermost
    transaction: inside another one RuntimeError is raised. An outage is not retried, because the
    commit may have happened.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def serialized(*args: P.args, **kwargs: P.kwargs) -> R:
            def attempt() -> R:
                with transaction.atomic(using=using, durable=True):
                    with connections[using].cursor() as cursor:
                        cursor.execute(_SERIALIZABLE)
                    return function(*args, **kwargs)

            attempts = Retrying(
                retry=retry_if_exception(is_conflict),
                stop=stop_after_attempt(retries + 1),
                before_sleep=_telling("serializable"),
                **_BACKING_OFF,
            )
            return attempts(attempt)

        return serialized

    return decorate


_SERIALIZABLE = sql.SQL("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
