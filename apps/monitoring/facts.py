"""What one connection beside the pool shows of the database, for health and for metrics."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.backends.utils import CursorWrapper
from django.db.models import Count
from psycopg.errors import UndefinedTable

from apps.backups.models import BackupRow, VerificationRow
from apps.controls.models import Assessment, Verdict
from apps.database.connection import acting_on, role_entry
from apps.database.facts.activity import Activity, activity
from apps.database.facts.roles import is_member
from apps.database.facts.sessions import SessionTLS, clear_sessions, own_tls
from apps.database.facts.standbys import Replication, replication
from apps.database.outages import is_outage
from apps.schema.models import MigrationRun
from apps.schema.records import Files, is_applied, read_files
from config.database import DatabaseEntry, is_socket

logger = logging.getLogger(__name__)
T = TypeVar("T")

ANSWER_SECONDS = 1.0
CONNECT_SECONDS = 2


@dataclass(frozen=True)
class Look:
    """Whether the schema fits, and how the bytes travel."""

    pending: tuple[str, ...]
    tls: SessionTLS
    over_socket: bool


@dataclass(frozen=True)
class Backups:
    """The newest whole backup of this database, and the newest that was proven; None for none."""

    finished_at: datetime | None
    bytes: int | None
    verified_at: datetime | None
    count: int
    verifications: dict[str, int]


@dataclass(frozen=True)
class Assessed:
    """The newest whole assessment, None before the first; the newest verdicts by risk and state."""

    started_at: datetime | None
    verdicts: dict[tuple[str, str], int]

    def count(self, state: str) -> int:
        return sum(number for (_, of), number in self.verdicts.items() if of == state)


@dataclass(frozen=True)
class Facts:
    """All of it; None where this role may not see, or a table is not there."""

    look: Look
    activity: Activity | None
    replication: Replication | None
    clear_sessions: int | None
    backups: Backups | None
    assessed: Assessed | None
    migration_runs: dict[str, int] | None


def own_entry(role: str) -> DatabaseEntry:
    """The role's address for one connection beside the pool, tried once and never waited for."""
    entry = role_entry(role)
    options = {name: value for name, value in entry["OPTIONS"].items() if name != "pool"}
    options |= {
        "application_name": "holdfast-monitoring",
        "connect_retry": 0,
        "connect_timeout": CONNECT_SECONDS,
        "answer_timeout": ANSWER_SECONDS,
    }
    return DatabaseEntry(entry, CONN_MAX_AGE=0, OPTIONS=options)


@cache
def expected() -> Files:
    """The migrations of this code; a process does not change them."""
    return read_files()


def look() -> Look:
    """Asks as the app role, on a connection of its own. Raises DatabaseError."""
    return look_at(own_entry("app"))


def look_at(entry: DatabaseEntry) -> Look:
    """The same of any address."""
    with acting_on(entry), connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        return _look(cursor, entry)


def gather(role: str = "auditor") -> Facts:
    """Everything that the role may see; as app where it has no address. Raises DatabaseError."""
    entry = own_entry(role)
    with acting_on(entry), connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        return Facts(
            look=_look(cursor, entry),
            activity=_seen(lambda: activity(cursor)),
            replication=_seen(lambda: replication(cursor)),
            clear_sessions=_seen(lambda: _clear_sessions(cursor)),
            backups=_seen(_backups),
            assessed=_seen(_assessed),
            migration_runs=_seen(_migration_runs),
        )


def _seen(question: Callable[[], T]) -> T | None:
    """The answer, or None when the server refuses it; an outage is raised."""
    try:
        return question()
    except DatabaseError as error:
        if is_outage(error):
            raise
        logger.info("Not seen by monitoring: %s", str(error).strip().splitlines()[0])
        return None


def _look(cursor: CursorWrapper, entry: DatabaseEntry) -> Look:
    return Look(pending=_pending(cursor), tls=own_tls(cursor), over_socket=is_socket(entry))


def _pending(cursor: CursorWrapper) -> tuple[str, ...]:
    """The migrations of this code that the database does not record."""
    files = expected()
    try:
        cursor.execute("SELECT app, name FROM django_migrations")
        recorded = set(cursor.fetchall())
    except DatabaseError as error:
        if not isinstance(error.__cause__, UndefinedTable):
            raise
        recorded = set()
    waiting = (k for k in files.loader.graph.nodes if not is_applied(files, k, recorded))
    return tuple(sorted(".".join(key) for key in waiting))


def _clear_sessions(cursor: CursorWrapper) -> int | None:
    """None where the role may not see the sessions of others."""
    return len(clear_sessions(cursor)) if is_member(cursor, "pg_monitor") else None


def _backups() -> Backups:
    database = str(settings.DATABASES[DEFAULT_DB_ALIAS]["NAME"])
    whole = BackupRow.objects.of(database).filter(partial=False)
    newest = whole.newest_first().values_list("finished_at", "bytes").first()
    tried = VerificationRow.objects.filter(backup__database=database, backup__partial=False)
    proof = tried.proven().newest_first().values_list("verified_at", flat=True).first()
    verdicts = tried.order_by("verdict").values_list("verdict").annotate(number=Count("id"))
    finished_at, size = newest or (None, None)
    return Backups(finished_at, size, proof, whole.count(), dict(verdicts))


def _assessed() -> Assessed:
    newest = Assessment.objects.filter(complete=True).newest()
    # All of the newest whole one, and what single controls were judged since: never the history.
    since = Verdict.objects.filter(assessment__sequence__gte=newest.sequence if newest else 0)
    states = since.latest_by_control().values_list("risk", "state")
    return Assessed(newest.started_at if newest else None, dict(Counter(states)))


def _migration_runs() -> dict[str, int]:
    """How many runs ended how; those without an end count as unfinished."""
    ends = MigrationRun.objects.order_by("outcome__result").values_list("outcome__result")
    counted = dict(ends.annotate(number=Count("id")))
    return {result or "unfinished": number for result, number in counted.items()}
