"""What PgBouncer says of itself, on its console."""

from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from apps.database.facts.errors import NoAnswer
from config.database import TLS_OPTIONS, DatabaseEntry

CONSOLE = "pgbouncer"


def bouncer_settings(entry: DatabaseEntry) -> dict[str, str]:
    """PgBouncer's settings by name."""
    return {str(row["key"]): str(row["value"]) for row in _ask(entry, "SHOW CONFIG")}


@dataclass(frozen=True)
class BouncerWaiting:
    """How long clients of one database waited for a server connection, and how long they had one.

    Both since PgBouncer started.
    """

    transactions: int
    wait_ms: int
    held_ms: int


def bouncer_waiting(entry: DatabaseEntry) -> BouncerWaiting:
    """The waiting of the entry's database; PgBouncer counts it in microseconds."""
    rows = [row for row in _ask(entry, "SHOW STATS") if row["database"] == entry["NAME"]]
    return BouncerWaiting(
        transactions=sum(int(row["total_xact_count"]) for row in rows),
        wait_ms=sum(int(row["total_wait_time"]) for row in rows) // 1000,
        held_ms=sum(int(row["total_xact_time"]) for row in rows) // 1000,
    )


def _ask(entry: DatabaseEntry, question: LiteralString) -> list[dict[str, Any]]:
    """An answer of the console, read as the entry's user, who must be one of `stats_users`.

    Raises NoAnswer when the address leads to no PgBouncer or it does not let the user look.
    """
    options = entry["OPTIONS"]
    try:
        with psycopg.connect(
            host=entry["HOST"],
            port=entry["PORT"] or None,
            dbname=CONSOLE,
            user=entry["USER"],
            password=entry["PASSWORD"],
            connect_timeout=options["connect_timeout"],
            autocommit=True,
            **{name: options[name] for name in TLS_OPTIONS if name in options},
        ) as console:
            return console.cursor(row_factory=dict_row).execute(question).fetchall()
    except psycopg.Error as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NoAnswer(
            f"PgBouncer's console does not answer ({reason}). Name {entry['USER']} in stats_users "
            "of pgbouncer.ini."
        ) from error
