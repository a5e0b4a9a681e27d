"""Facts about who is on the server: roles that may log in, and the sessions of this moment."""

import re
from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper

# Numbers in a name count workers, requests and tries: the same program with another number.
_NUMBERS = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|[0-9]+", re.IGNORECASE)


@dataclass(frozen=True)
class Visitors:
    """Each a sorted list of names: roles, client addresses, application names."""

    roles: list[str]
    addresses: list[str]
    applications: list[str]


def visitors(cursor: CursorWrapper) -> Visitors:
    """The roles that may log in, and where from and as what clients are here now.

    Without this session. A Unix socket counts as the address `local`.
    """
    cursor.execute("SELECT rolname FROM pg_catalog.pg_roles WHERE rolcanlogin ORDER BY 1")
    roles = [name for (name,) in cursor.fetchall()]
    cursor.execute(
        """
        SELECT DISTINCT coalesce(pg_catalog.host(client_addr), 'local'), application_name
        FROM pg_catalog.pg_stat_activity
        WHERE backend_type IN ('client backend', 'walsender')
          AND pid <> pg_catalog.pg_backend_pid()
        """
    )
    seen = cursor.fetchall()
    return Visitors(
        roles,
        sorted({address for address, _ in seen}),
        sorted({without_numbers(name) for _, name in seen if name}),
    )


def without_numbers(name: str) -> str:
    """An application's name with `#` for each number and UUID in it."""
    return _NUMBERS.sub("#", name)


@dataclass(frozen=True)
class ServerLog:
    """The newest file that the server writes its log to, and its size in bytes."""

    path: str
    size: int


def server_log(cursor: CursorWrapper) -> ServerLog | None:
    """The file, for members of pg_monitor; None where the server's log goes somewhere else."""
    cursor.execute(
        """
        SELECT pg_catalog.current_setting('log_directory') || '/' || name, size
        FROM pg_catalog.pg_ls_logdir()
        WHERE pg_catalog.current_setting('logging_collector')::boolean
        ORDER BY modification DESC, name LIMIT 1
        """
    )
    row = cursor.fetchone()
    return ServerLog(row[0], int(row[1])) if row else None


def may_read_log(cursor: CursorWrapper) -> bool:
    """Whether this session may read files of the data directory."""
    cursor.execute(
        "SELECT pg_catalog.has_function_privilege("
        "'pg_catalog.pg_read_binary_file(text, bigint, bigint)', 'EXECUTE')"
    )
    return bool(cursor.fetchone()[0])


@dataclass(frozen=True)
class RefusedAttempt:
    """Somebody who came in clear text and was refused, and how often."""

    address: str
    role: str
    database: str


_REFUSED = re.compile(
    r"(?:no pg_hba\.conf entry for|pg_hba\.conf rejects connection for) host \"+([^\"]+)\"+, "
    r"user \"+([^\"]+)\"+, database \"+([^\"]+)\"+, (?:no encryption|SSL off)"
)


def refused_attempts(
    cursor: CursorWrapper, log: ServerLog, begin: int, longest: int
) -> list[RefusedAttempt]:
    """The refused plaintext attempts that the log has behind a byte; its last `longest` at most.

    The server must write its messages in English.
    """
    begin = max(begin, log.size - longest)
    cursor.execute(
        "SELECT pg_catalog.pg_read_binary_file(%s, %s, %s)", [log.path, begin, log.size - begin]
    )
    # A CSV log doubles quotation marks, a JSON log escapes them.
    text = bytes(cursor.fetchone()[0]).decode("utf-8", "replace").replace('\\"', '"')
    return [RefusedAttempt(*found) for found in _REFUSED.findall(text)]


def own_address(cursor: CursorWrapper) -> str | None:
    """The address that this session comes from, as the server sees it; None over a socket."""
    cursor.execute("SELECT pg_catalog.host(pg_catalog.inet_client_addr())")
    (address,) = cursor.fetchone()
    return None if address is None else str(address)
