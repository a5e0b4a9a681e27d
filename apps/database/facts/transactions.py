"""Facts about transactions: what a session's own have, and what others keep open."""

from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True)
class SessionBounds:
    """What the server holds a session to: levels in words, time-outs in milliseconds, 0 for none.

    A statement by itself has the session's default level; a transaction has the one it began with.
    """

    level_by_itself: str
    level_in_transaction: str
    statement_timeout: int
    lock_timeout: int
    idle_in_transaction_session_timeout: int


def session_bounds(connection: BaseDatabaseWrapper) -> SessionBounds:
    """Asks the connection's own session, by itself and inside a transaction that is rolled back."""
    with connection.cursor() as cursor:
        by_itself = _level(cursor)
        cursor.execute(
            """
            SELECT name, setting::bigint FROM pg_catalog.pg_settings
            WHERE name IN ('statement_timeout', 'lock_timeout',
                           'idle_in_transaction_session_timeout')
            """
        )
        timeouts = dict(cursor.fetchall())
    connection.set_autocommit(False)
    try:
        with connection.cursor() as cursor:
            inside = _level(cursor)
    finally:
        connection.rollback()
        connection.set_autocommit(True)
    return SessionBounds(by_itself, inside, **timeouts)


def _level(cursor: CursorWrapper) -> str:
    cursor.execute("SELECT pg_catalog.current_setting('transaction_isolation')")
    return str(cursor.fetchone()[0])


@dataclass(frozen=True)
class OpenTransaction:
    """A transaction of another session, and the seconds since it began."""

    pid: int
    role: str
    application: str
    state: str
    seconds: float


def open_transactions(cursor: CursorWrapper) -> list[OpenTransaction]:
    """The transactions of other clients in this database, oldest first."""
    cursor.execute(
        """
        SELECT pid, usename, application_name, state,
               extract(epoch FROM pg_catalog.clock_timestamp() - xact_start)::float8
        FROM pg_catalog.pg_stat_activity
        WHERE datname = pg_catalog.current_database() AND backend_type = 'client backend'
          AND xact_start IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()
        ORDER BY xact_start, pid
        """
    )
    return [OpenTransaction(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class PreparedTransaction:
    """A transaction that waits for the second phase of its commit, and for how many seconds."""

    name: str
    role: str
    seconds: float


def prepared_transactions(cursor: CursorWrapper) -> list[PreparedTransaction]:
    """The prepared transactions of this database, oldest first; everybody may see them."""
    cursor.execute(
        """
        SELECT gid, owner, extract(epoch FROM pg_catalog.clock_timestamp() - prepared)::float8
        FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()
        ORDER BY prepared, gid
        """
    )
    return [PreparedTransaction(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class BlockedSession:
    """A session that waits for a lock, for how many seconds, and the sessions that hold it."""

    pid: int
    role: str
    seconds: float
    blockers: list[int]


def blocked_sessions(cursor: CursorWrapper) -> list[BlockedSession]:
    """The clients of this database that wait for a lock, longest first."""
    cursor.execute(
        """
        SELECT a.pid, a.usename,
               extract(epoch FROM pg_catalog.clock_timestamp() - min(l.waitstart))::float8,
               pg_catalog.pg_blocking_pids(a.pid)
        FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_locks l ON l.pid = a.pid
        WHERE NOT l.granted AND l.waitstart IS NOT NULL
          AND a.datname = pg_catalog.current_database() AND a.backend_type = 'client backend'
        GROUP BY a.pid, a.usename ORDER BY min(l.waitstart), a.pid
        """
    )
    return [BlockedSession(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class RestingTransaction:
    """A transaction in which its client does nothing, for how many seconds."""

    pid: int
    role: str
    application: str
    aborted: bool
    seconds: float


def resting_transactions(cursor: CursorWrapper) -> list[RestingTransaction]:
    """The clients of this database that are idle in a transaction, longest first.

    Without those whose snapshot a pg_dump of the same role works with meanwhile.
    """
    cursor.execute(
        """
        SELECT a.pid, a.usename, a.application_name, a.state LIKE '%(aborted)',
               extract(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::float8
        FROM pg_catalog.pg_stat_activity a
        WHERE a.datname = pg_catalog.current_database() AND a.backend_type = 'client backend'
          AND a.state LIKE 'idle in transaction%'
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity d
                          WHERE d.datname = a.datname AND d.usesysid = a.usesysid
                            AND d.application_name = 'pg_dump' AND d.state = 'active')
        ORDER BY a.state_change, a.pid
        """
    )
    return [RestingTransaction(*row) for row in cursor.fetchall()]
