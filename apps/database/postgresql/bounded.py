"""A connection that never waits for ever: a network may swallow an answer without a word."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen

# psycopg's own: how often a wait looks up from the socket.
WAIT_INTERVAL = 0.1


class BoundedConnection(psycopg.Connection[Any]):
    """psycopg's connection with an end to every wait for the server's answer.

    The server's statement_timeout cannot help when its answer is lost on the way, and TCP
    keep-alives are answered by whatever stands in between. Without `answer_seconds` it waits as
    long as psycopg does.
    """

    answer_seconds: float | None = None

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
