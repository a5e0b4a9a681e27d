"""The database engine: Django's, whose connections are bounded, retried and counted.

Django wants a module of this name in every engine. Differences from Django's own:
a wait for an answer ends (`bounded.py`); connecting is tried again inside a time budget; a pool's
connections are tested here, because the pool itself sleeps a second after each dead one.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from psycopg import OperationalError
from psycopg_pool import ConnectionPool, PoolTimeout

from apps.database import statistics
from apps.database.occurrences import pool_waited, transaction_ended
from apps.database.postgresql.bounded import BoundedConnection
from apps.database.postgresql.client import DatabaseClient
from apps.database.retries import ConnectPatience

Pool = ConnectionPool[BoundedConnection]


class DatabaseWrapper(base.DatabaseWrapper):
    """Reads two more OPTIONS: `answer_timeout` and `connect_retry`, both in seconds."""

    client_class = DatabaseClient
    _patience = ConnectPatience()
    _held_since = 0.0
    # Django's own, by alias, which its type stubs do not know.
    _connection_pools: ClassVar[dict[str, Any]]
    _configure_connection: Callable[[Any], Any]
    _began_at: float | None = None

    @property
    def pool(self) -> Pool | None:
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        pools = self._connection_pools
        if self.alias not in pools:
            made: Pool = ConnectionPool(
                kwargs={**self.get_connection_params(), "autocommit": True},
                connection_class=BoundedConnection,
                configure=self._configure_connection,
                open=False,
                **options,
            )
            # Whichever thread comes first wins; the other's pool was never opened.
            pools.setdefault(self.alias, made)
        return cast("Pool", pools[self.alias])

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        parameters.pop("answer_timeout", None)
        parameters.pop("connect_retry", None)
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> BoundedConnection:
        """A connection of the pool, or a new one, tried again for `connect_retry` seconds."""
        options = self.settings_dict["OPTIONS"]
        self.isolation_level = options["isolation_level"]
        with statistics.connecting():
            if self.pool is None:
                connection = self._patience.call(
                    options.get("connect_retry", 0), BoundedConnection.connect, **conn_params
                )
            else:
                connection = self._borrow(self.pool)
        connection.answer_seconds = options.get("answer_timeout")
        connection.isolation_level = self.isolation_level
        statistics.opened(connection)
        self._held_since = time.monotonic()
        return connection

    def _close(self) -> None:
        if self.connection is not None:
            statistics.released(time.monotonic() - self._held_since)
        super()._close()  # type: ignore[misc]  # its type stubs do not know this one either

    def _borrow(self, pool: Pool) -> BoundedConnection:
        """A living connection of the pool within the pool's time-out.

        Dead ones mean that the server went away: then all idle ones are replaced at once.
        """
        pool.open()
        started = time.monotonic()
        deadline = started + self._patience.shortened(pool.timeout)
        while True:
            try:
                connection = pool.getconn(timeout=max(0.0, deadline - time.monotonic()))
            except PoolTimeout as error:
                self._patience.exhausted()
                self._tell_wait(started, error)
                raise
            self._tell_wait(started, None)
            if not self.settings_dict["CONN_HEALTH_CHECKS"] or self._answers(connection):
                return connection
            pool.putconn(connection)
            pool.drain()

    def _answers(self, connection: BoundedConnection) -> bool:
        try:
            with connection.answering_within(self._check_seconds):
                connection.execute("")
        except OperationalError:
            connection.close()
            return False
        return True

    def _tell_wait(self, started: float, error: Exception | None) -> None:
        pool_waited.send_robust(type(self), seconds=time.monotonic() - started, error=error)

    def _set_autocommit(self, autocommit: bool) -> None:
        super()._set_autocommit(autocommit)  # type: ignore[misc]  # unknown to the stubs
        # Django's way to begin a transaction, and to end what a commit or rollback has ended.
        self._began_at = None if autocommit else time.monotonic()

    def _commit(self) -> None:
        with self._telling("commit"):
            super()._commit()  # type: ignore[misc]

    def _rollback(self) -> None:
        with self._telling("rollback"):
            super()._rollback()  # type: ignore[misc]

    @contextmanager
    def _telling(self, end: str) -> Iterator[None]:
        """Tell how a transaction ended, and how long it took."""
        ended = "failed"
        try:
            yield
            ended = end
        finally:
            began_at, self._began_at = self._began_at, None
            if began_at is not None:
                transaction_ended.send_robust(
                    type(self), alias=self.alias, end=ended, seconds=time.monotonic() - began_at
                )

    def is_usable(self) -> bool:
        """Whether the kept connection still answers; a dead network does not hold this up."""
        connection = cast("BoundedConnection | None", self.connection)
        if connection is None:
            return False
        with connection.answering_within(self._check_seconds):
            return super().is_usable()

    @property
    def _check_seconds(self) -> float:
        return float(self.settings_dict["OPTIONS"].get("connect_timeout", 3))
