"""What a migration does while it runs: locks, rewrites, scans and changed rows.

Everything is asked on the migration's own session before it commits, so that nothing is missed
between two looks. Only a statement that refuses a transaction is watched from another session.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.schema.rehearsal.sessions import Watch

# Weakest first; https://www.postgresql.org/docs/current/explicit-locking.html
MODES = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
BLOCKS_WRITES = MODES[4:]
BLOCKS_READS = MODES[7:]
ROWS = ("select", "insert", "update", "delete", "with", "merge", "copy")
SESSION = (
    *("savepoint", "release", "rollback", "set", "show", "reset", "declare", "fetch", "close"),
    *("begin", "commit", "explain"),
)
# A loop of thousands of statements is not to be slowed down by looking at each.
MOST_LOOKS_AT_ROWS = 200


def verb_of(statement: str) -> str:
    """The statement's first word in small letters, comments skipped."""
    text = statement.lstrip()
    while text.startswith(("--", "/*")):
        end = "\n" if text.startswith("--") else "*/"
        text = text.partition(end)[2].lstrip()
    return text.split(None, 1)[0].lower().rstrip(";") if text else ""


def refuses_transaction(statement: str) -> bool:
    """Whether the statement may not stand in a transaction block."""
    words = statement.upper().split()
    return "CONCURRENTLY" in words or verb_of(statement) in ("vacuum", "reindex")


@dataclass(frozen=True)
class Look:
    """One table at one moment of the session: its locks and counters."""

    modes: tuple[str, ...]
    file_node: int
    scans: int
    inserted: int
    updated: int
    deleted: int

    @property
    def changed(self) -> int:
        return self.inserted + self.updated + self.deleted

    @property
    def strongest(self) -> str | None:
        return max(self.modes, key=MODES.index, default=None)


NOTHING = Look((), 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Work:
    """A statement that rewrote or read a whole table while it held a lock on it."""

    table: int
    mode: str
    rewritten: bool
    statement: str
    seconds: float


@dataclass
class Observation:
    """What one run of a migration did to the tables that existed before it."""

    held: dict[tuple[int, str], float] = field(default_factory=dict)
    works: list[Work] = field(default_factory=list)
    rewritten: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    inserted: dict[int, int] = field(default_factory=dict)
    updated: dict[int, int] = field(default_factory=dict)
    deleted: dict[int, int] = field(default_factory=dict)
    # The most rows of a table that one transaction changed, and changed under its own strong lock.
    at_once: dict[int, int] = field(default_factory=dict)
    under_lock: dict[int, int] = field(default_factory=dict)
    statements: int = 0
    seconds: float = 0.0

    @property
    def touched(self) -> set[int]:
        """Tables whose rows may not be what they were."""
        counted = (self.inserted, self.updated, self.deleted)
        return self.rewritten | self.gone | {table for found in counted for table in found}

    @property
    def restructured(self) -> set[int]:
        """Tables whose structure may not be what it was."""
        return {oid for oid, mode in self.held if mode in BLOCKS_WRITES} | self.gone

    def strongest(self) -> dict[int, tuple[str, float]]:
        """The strongest mode on each table, and for how many seconds it was held."""
        found: dict[int, tuple[str, float]] = {}
        for (oid, mode), seconds in self.held.items():
            if oid not in found or MODES.index(mode) > MODES.index(found[oid][0]):
                found[oid] = (mode, seconds)
        return found


class Observer:
    """An execute wrapper for one run; `watch` sees what runs outside of transactions."""

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        tables: Mapping[int, int],
        watch: Watch,
        *,
        atomic: bool,
    ) -> None:
        self.connection = connection
        self.atomic = atomic
        self.tables = tables
        self.watch = watch
        self.seen = Observation()
        self._last: dict[int, Look] = {}
        self._since: dict[tuple[int, str], float] = {}
        self._first: dict[int, Look] = {}
        self._changed_before_lock: int | None = None
        self._looks_at_rows = 0
        self._looked_at_seconds = 0.0

    def begin(self) -> None:
        self._last = self._first = self._look()
        self._looked_at_seconds = time.perf_counter()

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        """Runs one statement and looks at what it did."""
        statement = sql if isinstance(sql, str) else sql.as_string(self._raw)
        self.seen.statements += 1
        verb = verb_of(statement)
        if verb in SESSION:
            return execute(sql, params, many, context)
        alone = not self.connection.in_atomic_block
        if alone and refuses_transaction(statement):
            return self._watched(execute, sql, params, many, context, statement)
        if verb in ROWS:
            if self.atomic or self._looks_at_rows >= MOST_LOOKS_AT_ROWS:
                return execute(sql, params, many, context)
            self._looks_at_rows += 1
        return self._looked_at(execute, sql, params, many, context, statement, alone)

    def _looked_at(
        self,
        execute: Callable[..., Any],
        sql: Any,
        params: Any,
        many: bool,
        context: Any,
        statement: str,
        alone: bool,
    ) -> Any:
        """A statement that is alone gets a transaction of its own, which changes nothing for it."""
        if alone:
            self._raw.execute("BEGIN")
        try:
            before, started = self._look(), time.perf_counter()
            result = execute(sql, params, many, context)
            self._note(before, self._look(), statement, started)
        except BaseException:
            if alone:
                with suppress(psycopg.Error):
                    self._raw.execute("ROLLBACK")
            raise
        if not self.atomic:
            self._end_transaction(before)
        if alone:
            self._raw.execute("COMMIT")
        return result

    def _watched(
        self,
        execute: Callable[..., Any],
        sql: Any,
        params: Any,
        many: bool,
        context: Any,
        statement: str,
    ) -> Any:
        started = time.perf_counter()
        with self.watch.locks_of(self._raw.info.backend_pid) as locks:
            result = execute(sql, params, many, context)
        seconds = time.perf_counter() - started
        for oid, mode in locks:
            if oid in self.tables:
                self._hold(oid, mode, seconds)
        return result

    def finish(self) -> None:
        """The last look of a transaction, just before it commits."""
        # A lock that is new to this look was taken at some time after the one before.
        self._note(self._last, self._look(), "", self._looked_at_seconds)
        self._end_transaction(self._first)

    @property
    def _raw(self) -> psycopg.Connection:
        connection: psycopg.Connection = self.connection.connection
        return connection

    def _look(self) -> dict[int, Look]:
        with psycopg.Cursor(self._raw) as cursor:
            rows = cursor.execute(_LOOK, [list(self.tables)]).fetchall()
        return {
            oid: Look(tuple(modes), node, scans, inserted, updated, deleted)
            for oid, modes, node, scans, inserted, updated, deleted in rows
        }

    def _note(
        self, before: dict[int, Look], after: dict[int, Look], statement: str, started: float
    ) -> None:
        now = time.perf_counter()
        shapes = statement and verb_of(statement) not in ROWS
        for oid in self.tables:
            look, earlier = after.get(oid), before.get(oid, NOTHING)
            if look is None:
                self.seen.gone.add(oid)
                continue
            for mode in look.modes:
                self._since.setdefault((oid, mode), started)
            if look.file_node != self.tables[oid]:
                self.seen.rewritten.add(oid)
            rewritten = look.file_node != earlier.file_node and oid in before
            strongest = look.strongest
            worked = rewritten or look.scans > earlier.scans
            if shapes and worked and strongest in BLOCKS_WRITES:
                work = Work(oid, str(strongest), rewritten, statement, now - started)
                self.seen.works.append(work)
        if self._changed_before_lock is None and self._is_locked(after):
            self._changed_before_lock = sum(look.changed for look in after.values())
        self._last, self._looked_at_seconds = after, now

    def _is_locked(self, looks: dict[int, Look]) -> bool:
        return any(look.strongest in BLOCKS_WRITES for look in looks.values())

    def _end_transaction(self, first: dict[int, Look]) -> None:
        """Add what the transaction changed, and let its locks go."""
        now = time.perf_counter()
        for (oid, mode), since in self._since.items():
            self._hold(oid, mode, now - since)
        for oid, look in self._last.items():
            earlier = first.get(oid, NOTHING)
            for counts, number in (
                (self.seen.inserted, look.inserted - earlier.inserted),
                (self.seen.updated, look.updated - earlier.updated),
                (self.seen.deleted, look.deleted - earlier.deleted),
            ):
                if number > 0:
                    counts[oid] = counts.get(oid, 0) + number
            locked_rows = look.updated + look.deleted - earlier.updated - earlier.deleted
            self.seen.at_once[oid] = max(locked_rows, self.seen.at_once.get(oid, 0))
        if self._changed_before_lock is not None:
            changed = sum(look.changed for look in self._last.values()) - self._changed_before_lock
            for oid, look in self._last.items():
                if look.strongest in BLOCKS_WRITES:
                    self.seen.under_lock[oid] = max(changed, self.seen.under_lock.get(oid, 0))
        self._since, self._changed_before_lock = {}, None

    def _hold(self, oid: int, mode: str, seconds: float) -> None:
        self.seen.held[oid, mode] = max(seconds, self.seen.held.get((oid, mode), 0.0))


_LOOK = """
WITH lock AS MATERIALIZED (
    SELECT relation, pg_catalog.array_agg(DISTINCT mode) AS modes FROM pg_catalog.pg_locks
    WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' AND granted GROUP BY relation
)
SELECT c.oid::bigint, coalesce(l.modes, '{}'),
       coalesce(pg_catalog.pg_relation_filenode(c.oid), 0)::bigint,
       pg_catalog.pg_stat_get_xact_numscans(c.oid),
       pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid),
       pg_catalog.pg_stat_get_xact_tuples_updated(c.oid),
       pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)
FROM pg_catalog.pg_class c LEFT JOIN lock l ON l.relation = c.oid
WHERE c.oid = ANY(%s::bigint[]::oid[])
"""
