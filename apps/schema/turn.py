"""One migrating process at a time: the turn is an advisory lock that ends with its session."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

# Any number serves, so long as nothing else in the database takes it.
LOCK = 0x486F6D69
POLL_SECONDS = 0.25


class NoTurn(Exception):
    """Somebody else still migrates; the message says who."""


@dataclass
class Turn:
    """The session that migrates: it holds the lock, and has time-outs of its own.

    The lock is the migrating session's own: when a process is killed, the server may still work
    for it, and until that ends nobody else may begin.
    """

    connection: BaseDatabaseWrapper
    lock_timeout_seconds: float
    statement_timeout_seconds: float
    _session: int | None = None

    def take(self, wait_seconds: float, tell: Callable[[str], None]) -> None:
        """Wait for the turn. Raises NoTurn after that many seconds."""
        self._prepare()
        deadline = time.monotonic() + wait_seconds
        told = False
        # Not one long question: its snapshot would hold up CREATE INDEX CONCURRENTLY elsewhere.
        while not self._try():
            if not told:
                tell(f"{self._holder()} is migrating; waiting for up to {wait_seconds:g} s.")
                told = True
            if time.monotonic() >= deadline:
                raise NoTurn(
                    f"{self._holder()} is still migrating after {wait_seconds:g} s. Wait for its "
                    "end, or wait longer with --lock-wait SECONDS."
                )
            time.sleep(POLL_SECONDS)

    def keep(self) -> None:
        """Called between migrations: a new session, after a lost one, takes the turn anew."""
        if self._pid() != self._session:
            self._prepare()
            if not self._try():
                raise NoTurn(f"The session was lost, and {self._holder()} has begun to migrate.")

    def give_back(self) -> None:
        if self.connection.connection is not None and not self.connection.connection.closed:
            self._ask("SELECT pg_catalog.pg_advisory_unlock_all()")

    def _prepare(self) -> None:
        self._session = self._pid()
        self._ask(
            "SELECT pg_catalog.set_config('lock_timeout', %s, false),"
            " pg_catalog.set_config('statement_timeout', %s, false),"
            # Python may rightly think for a while inside a migration's transaction.
            " pg_catalog.set_config('idle_in_transaction_session_timeout', '0', false),"
            # A killed process's statement ends, and the lock with it.
            " pg_catalog.set_config('client_connection_check_interval', '1s', false)",
            [
                f"{self.lock_timeout_seconds * 1000:.0f}ms",
                f"{self.statement_timeout_seconds * 1000:.0f}ms",
            ],
        )

    def _try(self) -> bool:
        return bool(self._ask("SELECT pg_catalog.pg_try_advisory_lock(%s)", [LOCK])[0])

    def _pid(self) -> int:
        return int(self._ask("SELECT pg_catalog.pg_backend_pid()")[0])

    def _holder(self) -> str:
        row = self._ask(
            """
            SELECT a.usename, a.pid, a.client_addr, a.backend_start::timestamptz(0)::text
            FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
            WHERE l.locktype = 'advisory' AND l.granted AND l.objid = %s AND l.objsubid = 1
              AND l.database = (SELECT oid FROM pg_catalog.pg_database
                                WHERE datname = pg_catalog.current_database())
            """,
            [LOCK],
        )
        if not row:
            return "Another process"
        user, pid, client, since = row
        return f"Another process (server process {pid}, {user}@{client or 'socket'}, since {since})"

    def _ask(self, question: str, parameters: list[Any] | None = None) -> Any:
        with self.connection.cursor() as cursor:
            # sql-reviewed: the questions of this class, each written where it is asked.
            cursor.execute(question, parameters)
            return cursor.fetchone()


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Inside, a termination is handled as Ctrl-C is: rolled back, said and written down."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    usual = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, usual)
