"""Facts about the sessions of the server."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True)
class SessionTLS:
    """How one session's bytes travel; version and cipher are None in clear."""

    encrypted: bool
    version: str | None
    cipher: str | None
    bits: int | None


def own_tls(cursor: CursorWrapper) -> SessionTLS:
    """This session's encryption, as the server sees it."""
    cursor.execute(
        """
        SELECT ssl, version, cipher, bits FROM pg_catalog.pg_stat_ssl
        WHERE pid = pg_catalog.pg_backend_pid()
        """
    )
    row = cursor.fetchone()
    return SessionTLS(*row) if row else SessionTLS(False, None, None, None)


@dataclass(frozen=True)
class ClearSession:
    """A session over the network without encryption."""

    pid: int
    role: str
    address: str


def clear_sessions(cursor: CursorWrapper) -> list[ClearSession]:
    """Sessions of clients that came over TCP without TLS or GSS encryption, by pid."""
    cursor.execute(
        """
        SELECT a.pid, a.usename, pg_catalog.host(a.client_addr)
        FROM pg_catalog.pg_stat_activity a
        JOIN pg_catalog.pg_stat_ssl s ON s.pid = a.pid
        LEFT JOIN pg_catalog.pg_stat_gssapi g ON g.pid = a.pid
        WHERE a.client_addr IS NOT NULL AND NOT s.ssl AND NOT coalesce(g.encrypted, false)
        ORDER BY 1
        """
    )
    return [ClearSession(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class IdleTransaction:
    """A session that holds a transaction open without doing anything in it."""

    pid: int
    application: str
    seconds: float


def idle_transactions(cursor: CursorWrapper, role: str, seconds: float) -> list[IdleTransaction]:
    """Sessions of the role in this database, idle in a transaction for longer, longest first."""
    cursor.execute(
        """
        SELECT pid, application_name,
               extract(epoch FROM pg_catalog.clock_timestamp() - state_change)::float8
        FROM pg_catalog.pg_stat_activity
        WHERE usename = %s AND datname = pg_catalog.current_database()
          AND state LIKE 'idle in transaction%%'
          AND pg_catalog.clock_timestamp() - state_change > pg_catalog.make_interval(secs => %s)
        ORDER BY state_change, pid
        """,
        [role, seconds],
    )
    return [IdleTransaction(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class SessionText:
    """The free texts that a session shows to everyone who may watch it."""

    pid: int
    role: str
    application: str
    statement: str


def session_texts(cursor: CursorWrapper) -> list[SessionText]:
    """Name and latest statement of every client's session but this one, by pid."""
    cursor.execute(
        """
        SELECT pid, usename, application_name, query FROM pg_catalog.pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()
        ORDER BY 1
        """
    )
    return [SessionText(row[0], row[1] or "", row[2] or "", row[3] or "") for row in cursor]


def sessions_of(cursor: CursorWrapper, role: str) -> int:
    """How many sessions the role has on the server."""
    cursor.execute("SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE usename = %s", [role])
    return int(cursor.fetchone()[0])


@dataclass(frozen=True)
class ClientSetting:
    """A setting that the client asked for when it connected, as the server has it."""

    name: str
    value: str


def client_settings(cursor: CursorWrapper) -> list[ClientSetting]:
    """What this session's client asked for at its start, by name; later changes do not show."""
    cursor.execute(
        """
        SELECT name, reset_val FROM pg_catalog.pg_settings
        WHERE source IN ('client', 'session') AND reset_val IS DISTINCT FROM boot_val ORDER BY 1
        """
    )
    return [ClientSetting(name, value) for name, value in cursor.fetchall()]


@dataclass(frozen=True)
class ClientSession:
    """A client's session; `endable` tells whether this session's role may end it."""

    pid: int
    role: str
    superuser: bool
    endable: bool


def client_sessions(cursor: CursorWrapper, database: str) -> list[ClientSession]:
    """The sessions of clients in a database but this one, by pid.

    Who may not watch others is not told what kind of process theirs is; PostgreSQL's own have no
    role.
    """
    cursor.execute(
        """
        SELECT a.pid, r.rolname, r.rolsuper,
               me.rolsuper
               OR NOT r.rolsuper AND (pg_catalog.pg_has_role(r.oid, 'USAGE')
                                      OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'))
        FROM pg_catalog.pg_stat_activity a
        JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
        JOIN pg_catalog.pg_roles me ON me.rolname = current_user
        WHERE a.datname = %s AND coalesce(a.backend_type, 'client backend') = 'client backend'
          AND a.pid <> pg_catalog.pg_backend_pid()
        ORDER BY 1
        """,
        [database],
    )
    return [ClientSession(*row) for row in cursor.fetchall()]
