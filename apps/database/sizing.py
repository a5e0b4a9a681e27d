"""How many connections the service can ask for, and how many the server has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.backends.utils import CursorWrapper

from apps.database.facts.bouncer import bouncer_settings
from apps.database.facts.server import integer_setting
from config.database import DatabaseEntry

# A rolling deploy runs the old and the new processes side by side.
DEPLOY_FACTOR = 2
# Commands, probes, a backup and a person with psql.
RESERVE = 10


@dataclass(frozen=True)
class Sizing:
    """The worst case of all processes against what the server has."""

    processes: int
    connections_each: int
    factor: int
    max_connections: int
    reserved: int

    @property
    def worst_case(self) -> int:
        return self.processes * self.connections_each * self.factor + RESERVE

    @property
    def available(self) -> int:
        """Connections for others than superusers."""
        return self.max_connections - self.reserved

    @property
    def fits(self) -> bool:
        return self.worst_case <= self.available

    def __str__(self) -> str:
        return (
            f"{self.processes} × {self.connections_each} connections × {self.factor} for a rolling "
            f"deploy + {RESERVE} reserve = {self.worst_case}; the server has "
            f"{self.max_connections} − {self.reserved} reserved."
        )


def sizing(cursor: CursorWrapper, entry: DatabaseEntry) -> Sizing:
    """The arithmetic for the live settings and the server of the cursor.

    Behind PgBouncer its own sizes count, which it is asked for: raises NoAnswer when it is silent.
    """
    processes, each, factor = settings.WEB_CONCURRENCY * settings.WEB_REPLICAS, 0, DEPLOY_FACTOR
    pool = entry["OPTIONS"].get("pool")
    if settings.DATABASE_POOL_MODE == "pgbouncer":
        bouncer = bouncer_settings(entry)
        # It stays through a deploy, however many clients come and go.
        processes, factor = 1, 1
        each = int(bouncer["default_pool_size"]) + int(bouncer["reserve_pool_size"])
    else:
        each = int(pool["max_size"]) if pool else settings.WEB_THREADS
    return Sizing(
        processes=processes,
        connections_each=each,
        factor=factor,
        max_connections=integer_setting(cursor, "max_connections"),
        reserved=integer_setting(cursor, "superuser_reserved_connections")
        + integer_setting(cursor, "reserved_connections"),
    )


REMEDY = "Lower WEB_CONCURRENCY, WEB_THREADS or DATABASE_POOL_SIZE, or raise max_connections."


def check_sizing(databases: Sequence[str] | None = None, **options: Any) -> list[CheckMessage]:
    """`manage.py check --database default`: the worst case must fit the server."""
    if DEFAULT_DB_ALIAS not in (databases or ()) or settings.DATABASE_POOL_MODE == "pgbouncer":
        # PgBouncer is asked by the control TECH-003.1: a release must not wait for its console.
        return []
    try:
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            found = sizing(cursor, settings.DATABASES[DEFAULT_DB_ALIAS])
    except DatabaseError:
        # That it cannot be reached is said by database.E002.
        return []
    if found.fits:
        return []
    return [Error(f"Too few connections: {found}", hint=REMEDY, id="database.E001")]
