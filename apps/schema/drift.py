"""Where models, migrations, their records and the live catalog do not say the same."""

import gc
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from apps.database.connection import open_wrapper, role_entry
from apps.database.direct import require_direct
from apps.database.facts.schema import LiveTable
from apps.schema.columns import column_drift
from apps.schema.columns import expressions_of as column_expressions
from apps.schema.declared import Declared
from apps.schema.expected import Table, other_tables, tables
from apps.schema.expressions import Meanings, Planner, Row
from apps.schema.keys import KeyComparison
from apps.schema.keys import expressions_of as key_expressions
from apps.schema.live import Drift, Live, read_live, subject
from apps.schema.records import Files, model_drift, read_files, record_drift, recorded_migrations
from apps.schema.strays import extra_columns, extra_keys, extra_tables, unsound
from config.commands import manage
from config.database import DatabaseEntry

LOCKED, DENIED = "55P03", "42501"
LOCK_MILLISECONDS = 250
STATEMENT_MILLISECONDS = 30_000
# Each group of kinds can be asked for alone.
COLUMNS = frozenset({
    "missing_table", "missing_column", "extra_column", "wrong_type", "wrong_null",
})  # fmt: skip
KEYS = frozenset({
    "missing_index", "wrong_index", "invalid_index", "missing_constraint", "wrong_constraint",
    "not_valid_constraint",
})  # fmt: skip
RECORDS = frozenset({
    "migration_missing", "migration_unapplied", "migration_conflict", "migration_inconsistent",
    "migration_graph", "model_without_migration",
})  # fmt: skip
STRAYS = frozenset({"extra_table", "extra_index", "extra_constraint", "extra_sequence"})
VALUES = frozenset({
    "missing_default", "wrong_default", "extra_default", "wrong_generated", "wrong_identity",
    "wrong_collation", "wrong_comment",
})  # fmt: skip
ALL = COLUMNS | KEYS | RECORDS | STRAYS | VALUES


@dataclass
class Report:
    """What was found, and what could not be seen; each in a line."""

    findings: list[Drift] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    tables: int = 0

    @property
    def exit_code(self) -> int:
        """0 none · 1 drift · 2 could not see all."""
        if self.findings:
            return 1
        return 2 if self.unseen else 0

    def as_json(self) -> dict[str, Any]:
        return {"findings": [asdict(drift) for drift in self.findings], "unseen": self.unseen}


@contextmanager
def reading(entry: DatabaseEntry) -> Iterator[BaseDatabaseWrapper]:
    """A connection of its own inside a read-only transaction with time-outs, rolled back."""
    with closing(open_wrapper(entry)) as connection:
        require_direct(connection)
        with connection.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(
                "SELECT pg_catalog.set_config('lock_timeout', %s, true),"
                " pg_catalog.set_config('statement_timeout', %s, true)",
                [f"{LOCK_MILLISECONDS}ms", f"{STATEMENT_MILLISECONDS}ms"],
            )
            yield connection
            cursor.execute("ROLLBACK")


def find_drift(alias: str = DEFAULT_DB_ALIAS) -> Report:
    """Compare everything, as the auditor. Raises DatabaseError when it cannot connect."""
    own = alias == DEFAULT_DB_ALIAS
    entry = role_entry("auditor") if own else settings.DATABASES[alias]
    app = str(settings.DATABASES[alias]["USER"])
    with reading(entry) as connection, connection.cursor() as cursor:
        return compare(connection, cursor, alias, app)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Inside, nothing is looked for that could be thrown away.

    What a comparison makes is needed to its end: the collector walks over all of it again and
    again, which took almost half of the time, and more for each table the more there are.
    """
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


@_uncollected()
def compare(
    connection: BaseDatabaseWrapper,
    cursor: CursorWrapper,
    alias: str = DEFAULT_DB_ALIAS,
    app_role: str | None = None,
    kinds: Collection[str] = ALL,
) -> Report:
    """The findings of these kinds, on a connection inside a transaction.

    Tables are looked for where `app_role` would find them.
    """
    report = Report()
    kinds = frozenset(kinds)
    files = read_files()
    wanted = list(tables(connection, alias))
    live = _read_live(cursor, app_role, [table.name for table in wanted], report)
    found: list[Drift] = []
    if live is not None:
        report.tables = len(wanted)
        planner = Planner(connection)
        if kinds & (COLUMNS | KEYS | STRAYS | VALUES):
            found += _tables_drift(wanted, live, planner, files.declared, report)
            known = {table.name for table in wanted} | other_tables()
            found += extra_tables(live, known, files.declared)
            found += unsound(live)
        if kinds & RECORDS:
            found += _record_drift(cursor, live, files, report)
    report.findings = [drift for drift in found if drift.kind in kinds]
    return report


def _read_live(
    cursor: CursorWrapper, app_role: str | None, db_tables: list[str], report: Report
) -> Live | None:
    """The live schema; None where a lock that was just taken is in the way."""
    cursor.execute("SAVEPOINT live")
    try:
        return read_live(cursor, app_role, db_tables)
    except DatabaseError as error:
        cursor.execute("ROLLBACK TO SAVEPOINT live")
        if getattr(error.__cause__, "sqlstate", "") not in (LOCKED, DENIED):
            raise
        report.unseen.append(f"the catalog: {_one_line(error)}")
        return None


def _tables_drift(
    wanted: Sequence[Table], live: Live, planner: Planner, declared: Declared, report: Report
) -> Iterator[Drift]:
    """Every table's differences; the expressions of many tables are planned in one question."""
    present: list[tuple[Table, LiveTable]] = []
    for table in wanted:
        name = live.resolve(table.name)
        if name is None:
            where = subject(live.wanted_name(table.name))
            yield Drift("missing_table", where, table.name, None, manage("migrate"))
        else:
            present.append((table, live.tables[name]))
    rows = [
        Row(
            tuple(column_expressions(table, here) | key_expressions(table, live, here)),
            here.columns,
        )
        for table, here in present
    ]
    for (table, here), meanings in zip(present, planner.meanings(rows), strict=True):
        keys = KeyComparison(table, live, here, meanings)
        yield from column_drift(table, here, meanings, planner)
        yield from extra_columns(table, here, declared)
        yield from keys.drift()
        yield from extra_keys(*keys.left_over(), declared)
        _note_unseen(here, meanings, report)


def _note_unseen(here: LiveTable, meanings: Meanings, report: Report) -> None:
    where = subject((here.schema, here.name))
    if here.locked:
        report.unseen.append(
            f"{where}: another session holds it exclusively; the texts of its defaults, checks "
            "and indexes were not read"
        )
    if meanings.denied is not None:
        report.unseen.append(f"{where}: {meanings.denied}")


def _record_drift(
    cursor: CursorWrapper, live: Live, files: Files, report: Report
) -> Iterator[Drift]:
    cursor.execute("SAVEPOINT records")
    try:
        recorded = recorded_migrations(cursor, live)
    except DatabaseError as error:
        cursor.execute("ROLLBACK TO SAVEPOINT records")
        if getattr(error.__cause__, "sqlstate", "") not in (LOCKED, DENIED):
            raise
        report.unseen.append(f"django_migrations: {_one_line(error)}")
    else:
        yield from record_drift(files, recorded)
    yield from model_drift(files)


def _one_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
