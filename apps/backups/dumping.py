"""A dump in the making: pg_dump's output as a stream, and what its snapshot holds."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from psycopg.sql import SQL, Literal

from apps.backups.catalogue import SequencePosition
from apps.backups.contents import Contents, read_contents
from apps.backups.streams import Forward
from apps.backups.tools import (
    Running,
    ToolError,
    Tools,
    connection_arguments,
    fitting,
    installed_tools,
    needs_tls,
)
from apps.database.connection import open_wrapper
from apps.database.direct import PooledAddress, require_direct
from apps.database.facts.dumpable import Obstacle, obstacles
from apps.database.facts.fingerprints import NEWEST
from apps.database.facts.sequences import sequence_positions
from apps.database.facts.server import server_version
from apps.database.redaction import redact

LOCK_SECONDS = 60
# The snapshot's session rests while pg_dump works; a table that is being altered is waited for.
PATIENCE = (
    # One session counts faster than pg_dump reads, and more would take its processor.
    "SET LOCAL max_parallel_workers_per_gather = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET LOCAL statement_timeout = 0",
    f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'",
)
SHOWN_OBSTACLES = 3


@dataclass(frozen=True)
class Dumped:
    """What was in the snapshot that a dump was made of."""

    tool_version: int
    started_at: datetime
    contents: Contents
    sequences: dict[str, SequencePosition]


@dataclass(frozen=True)
class Wanted:
    """What to dump: tables whose rows are left out, schemas when not all, and how sure."""

    excluded: Sequence[str] = ()
    schemas: Sequence[str] = ()
    fingerprints: bool = True
    timeout_seconds: float = 6 * 3600

    @property
    def partial(self) -> bool:
        return bool(self.excluded or self.schemas)

    @property
    def fingerprint_method(self) -> int | None:
        return NEWEST if self.fingerprints else None


class Dump(Forward):
    """pg_dump's custom format as a stream; a context manager. Raises ToolError."""

    def __init__(self, entry: dict[str, Any], wanted: Wanted) -> None:
        super().__init__()
        self.entry, self.wanted = entry, wanted
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.started_at = timezone.now()
            self._cursor, snapshot = stack.enter_context(_snapshot(self.entry))
            tools = fitting_tools(server_version(self._cursor), self.entry)
            self.tool_version = tools.major
            _refuse(obstacles(self._cursor), self.wanted)
            self._before = sequence_positions(self._cursor)
            self._survey = stack.enter_context(
                Survey(self.entry, snapshot, self.wanted.fingerprint_method)
            )
            self._tool = stack.enter_context(
                Running(
                    dump_command(tools, self.entry, self.wanted, snapshot),
                    self.entry,
                    timeout_seconds=self.wanted.timeout_seconds,
                    stdout=True,
                )
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def end(self) -> None:
        """Stop pg_dump; whoever waits for its output gets no more."""
        self._tool.kill()

    @property
    def pid(self) -> int:
        """Of pg_dump."""
        return self._tool.pid

    def take(self, size: int) -> bytes:
        return self._tool.read(size)

    def finish(self) -> Dumped:
        """After the last byte: what the snapshot held. Waits for the count of the rows."""
        contents = self._survey.result()
        after = sequence_positions(self._cursor)
        sequences = {
            name: SequencePosition(position, after.get(name, position))
            for name, position in self._before.items()
        }
        return Dumped(self.tool_version, self.started_at, contents, sequences)


class Survey:
    """Reads what is in a snapshot in a thread of its own, while pg_dump reads the same."""

    def __init__(self, entry: dict[str, Any], snapshot: str, method: int | None) -> None:
        self._entry, self._snapshot, self._method = entry, snapshot, method
        self._found: Contents | None = None
        self._error: Exception | None = None
        self._connection: BaseDatabaseWrapper | None = None
        self._thread = threading.Thread(target=self._work, name="holdfast-survey", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        connection = self._connection
        if self._thread.is_alive() and connection is not None:
            with suppress(Exception):
                connection.connection.cancel_safe(timeout=5)
        self._thread.join(timeout=10)

    def result(self) -> Contents:
        """Waits for the end. Raises ToolError."""
        self._thread.join()
        if self._found is None:
            reason = str(self._error).strip().splitlines()
            said = redact(reason[0]) if reason else "no reason given"
            raise ToolError(f"The rows could not be counted: {said}")
        return self._found

    def _work(self) -> None:
        try:
            with closing(open_wrapper(self._entry)) as connection, connection.cursor() as cursor:
                self._connection = connection
                cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                # Before any question of this transaction.
                cursor.execute(SQL("SET TRANSACTION SNAPSHOT {}").format(Literal(self._snapshot)))
                _be_patient(cursor)
                self._found = read_contents(cursor, fingerprint_method=self._method)
        except Exception as error:  # told by result()
            self._error = error


def dump_command(tools: Tools, entry: dict[str, Any], wanted: Wanted, snapshot: str) -> list[str]:
    """pg_dump's arguments; zstd compresses better what pg_dump leaves as it is."""
    command = [str(tools.folder / "pg_dump"), "--format=custom", "--compress=0"]
    command += [f"--snapshot={snapshot}", f"--lock-wait-timeout={LOCK_SECONDS}s"]
    command += connection_arguments(entry)
    command += [f"--exclude-table-data={table}" for table in wanted.excluded]
    return command + [f"--schema={schema}" for schema in wanted.schemas]


def fitting_tools(version: str, entry: dict[str, Any]) -> Tools:
    major = int(version.partition(".")[0])
    return fitting(installed_tools(), major, needs_tls=needs_tls(entry))


@contextmanager
def directly(entry: dict[str, Any]) -> Iterator[BaseDatabaseWrapper]:
    """A connection to the server itself: a dump through a pooler would spoil its sessions."""
    with closing(open_wrapper(entry)) as connection:
        try:
            require_direct(connection)
        except PooledAddress as error:
            raise ToolError(str(error)) from None
        yield connection


@contextmanager
def _snapshot(entry: dict[str, Any]) -> Iterator[tuple[CursorWrapper, str]]:
    with directly(entry) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _be_patient(cursor)
        cursor.execute("SELECT pg_catalog.pg_export_snapshot()")
        (snapshot,) = cursor.fetchone()
        yield cursor, snapshot


def _be_patient(cursor: CursorWrapper) -> None:
    for statement in PATIENCE:
        cursor.execute(statement)


def _refuse(found: list[Obstacle], wanted: Wanted) -> None:
    left_out = set(wanted.excluded) | {f"public.{table}" for table in wanted.excluded}
    hindering = [obstacle for obstacle in found if obstacle.subject not in left_out]
    if not hindering:
        return
    shown = "; ".join(f"{o.subject}: {o.reason}" for o in hindering[:SHOWN_OBSTACLES])
    more = len(hindering) - SHOWN_OBSTACLES
    others = f" and {more} more" if more > 0 else ""
    raise ToolError(
        f"Nothing was dumped, because the dump would not be whole: {shown}{others}. "
        f"As an administrator: {hindering[0].remedy}"
    )
