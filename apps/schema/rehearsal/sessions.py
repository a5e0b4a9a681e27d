"""A second session on the scratch database: it watches the migration's session, and can end it."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import cast

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.database.connection import open_wrapper
from config.database import DatabaseEntry

LOOK_SECONDS = 0.002
PATIENCE_SECONDS = 10.0


@dataclass
class Watch:
    """An autocommit session beside the migration's."""

    wrapper: BaseDatabaseWrapper

    @property
    def session(self) -> psycopg.Connection:
        self.wrapper.ensure_connection()
        return cast("psycopg.Connection", self.wrapper.connection)

    def pause(self) -> None:
        """Leave the database; the next question comes back."""
        self.wrapper.close()

    @contextmanager
    def locks_of(self, process: int) -> Iterator[set[tuple[int, str]]]:
        """The locks that the process is seen to hold meanwhile, as (table, mode)."""
        seen: set[tuple[int, str]] = set()
        done, session = threading.Event(), self.session

        def look() -> None:
            while not done.wait(LOOK_SECONDS):
                seen.update(session.execute(_LOCKS, [process]).fetchall())

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield seen
        finally:
            done.set()
            watcher.join()

    def kill(self, process: int) -> None:
        """End the process as a crash would, and wait until it is gone."""
        session, deadline = self.session, time.monotonic() + PATIENCE_SECONDS
        session.execute("SELECT pg_catalog.pg_terminate_backend(%s)", [process])
        # The server's own wait looks only ten times a second.
        while session.execute(_LIVES, [process]).fetchone() and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)

    @contextmanager
    def killing_in_the_middle(self, process: int) -> Iterator[None]:
        """Meanwhile, hold what a concurrent statement must wait for, and kill it as it waits.

        A snapshot older than the statement's: its last phase waits for that.
        """
        session, done = self.session, threading.Event()
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        session.execute("SELECT pg_catalog.txid_current()")

        def kill() -> None:
            waited = 0.0
            while not done.wait(LOOK_SECONDS) and waited < PATIENCE_SECONDS:
                waited += LOOK_SECONDS
                row = session.execute(_WAITS, [process]).fetchone()
                if row is not None:
                    self.kill(process)
                    return

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        try:
            yield
        finally:
            done.set()
            killer.join()
            session.execute("ROLLBACK")


_LOCKS = """
SELECT relation::bigint, mode FROM pg_catalog.pg_locks
WHERE pid = %s AND locktype = 'relation' AND granted
"""
_LIVES = "SELECT 1 FROM pg_catalog.pg_locks WHERE pid = %s LIMIT 1"
_WAITS = "SELECT 1 FROM pg_catalog.pg_locks WHERE pid = %s AND NOT granted"


@contextmanager
def watching(entry: DatabaseEntry) -> Iterator[Watch]:
    """A watch on the database, closed afterwards."""
    with closing(open_wrapper(entry)) as wrapper:
        yield Watch(wrapper)
