"""A connection that never waits for ever, and says why a server was not believed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import psycopg
from psycopg.abc import RV, PQGen

from apps.database.occurrences import connect_tried
from apps.database.refusals import explained

# psycopg's own: how often a wait looks up from the socket.
WAIT_INTERVAL = 0.1


class BoundedConnection(psycopg.Connection[Any]):
    """psycopg's connection with an end to every wait for the server's answer.

    A network may swallow an answer without a word.

    The server's statement_timeout cannot help when its answer is lost on the way, and TCP
    keep-alives are answered by whatever stands in between. Without `answer_seconds` it waits as
    long as psycopg does.
    """

    answer_seconds: float | None = None

    @classmethod
    def connect(cls, conninfo: str = "", **parameters: Any) -> Self:
        """psycopg's connect; says which doubt about the server ended it."""
        started = time.monotonic()
        try:
            made = super().connect(conninfo, **parameters)
        except psycopg.OperationalError as error:
            seconds = time.monotonic() - started
            reason = explained(error, parameters)
            connect_tried.send_robust(cls, seconds=seconds, error=reason)
            if reason is error:
                raise
            raise reason from error
        connect_tried.send_robust(cls, seconds=time.monotonic() - started, error=None)
        return made

    def wait(
        self, gen: PQGen[RV], interval: float = WAIT_INTERVAL, timeout: float | None = None
    ) -> RV:
        """psycopg's wait; past its end the connection is closed and OperationalError raised."""
        if timeout is not None or self.answer_seconds is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_seconds)
        except psycopg.errors._WaitTimeout:
            # What the server still does with the statement is unknown: nothing else may follow.
            self.close()
            raise psycopg.OperationalError(
                f"no answer from the server within {self.answer_seconds:g} s"
            ) from None

    @contextmanager
    def answering_within(self, seconds: float) -> Iterator[None]:
        """Inside, the server has at most so many seconds for each answer."""
        usual = self.answer_seconds
        self.answer_seconds = seconds if usual is None else min(seconds, usual)
        try:
            yield
        finally:
            self.answer_seconds = usual
