"""What happened to rows: kept aside before a migration, compared with what is there after it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Composable, Composed, Identifier

from apps.database.facts.tables import STEADY_TEXT
from apps.schema.rehearsal.structure import ASIDE, Column, Structure, Table

# Types without an equality of their own, or whose equality hides a change of the text.
BY_TEXT = ("json", "xml", "point", "numeric", "citext")
# Of these, values that print differently may have one hash; of a numeric with a scale they do not.
HASHED_ALIKE = ("citext", "citext[]", "numeric", "numeric[]")


@dataclass(frozen=True)
class TableChange:
    """What one table's rows became; `emptied` counts the values of each column that is gone."""

    table: str
    rows_before: int
    rows_after: int
    lost: int = 0
    added: int = 0
    changed: int = 0
    filled: int = 0
    emptied: Mapping[str, int] = field(default_factory=dict)
    checksum_before: str = ""
    checksum_after: str = ""

    @property
    def loses_values(self) -> bool:
        return bool(self.lost or self.changed or any(self.emptied.values()))


@dataclass(frozen=True)
class Kept:
    """A table as it was, its rows kept aside."""

    table: Table
    rows: int
    checksum: str


def keep_aside(connection: BaseDatabaseWrapper, tables: Iterable[Table]) -> list[Kept]:
    """Copy the tables' rows into a schema that is no part of the rehearsed one."""
    tables, kept = list(tables), []
    if not tables:
        return []
    with connection.cursor() as cursor:
        cursor.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(ASIDE)))
        cursor.execute(SQL("CREATE SCHEMA {}").format(Identifier(ASIDE)))
        for table in tables:
            statement = SQL("CREATE UNLOGGED TABLE {} AS TABLE {}")
            cursor.execute(statement.format(_aside(table), _identifier(table.name)))
            kept.append(Kept(table, *_checksum(cursor, _aside(table), table.columns)))
    return kept


def count(cursor: CursorWrapper, table: Table) -> int:
    """How many rows the table has."""
    cursor.execute(SQL("SELECT count(*) FROM ONLY {}").format(_identifier(table.name)))
    return int(cursor.fetchone()[0])


def compare_after(
    connection: BaseDatabaseWrapper, kept: Iterable[Kept], now: Structure
) -> list[TableChange]:
    """Each kept table with what it has become; a table and a column stay the same when renamed."""
    changes = []
    for one in kept:
        after = now.tables.get(one.table.oid)
        pairs = _by_number(one.table, after) if after else []
        changes.append(_compare(connection, one, after, pairs))
    return changes


def compare_back(
    connection: BaseDatabaseWrapper, kept: Iterable[Kept], now: Structure
) -> list[TableChange]:
    """Each kept table with the one that bears its name after the way back."""
    changes = []
    for one in kept:
        after = now.named(one.table.name)
        names = {column.name: column for column in after.columns} if after else {}
        pairs = [(old, names[old.name]) for old in one.table.columns if old.name in names]
        changes.append(_compare(connection, one, after, pairs))
    return changes


def _by_number(table: Table, after: Table) -> list[tuple[Column, Column]]:
    numbers = {column.number: column for column in after.columns}
    return [(old, numbers[old.number]) for old in table.columns if old.number in numbers]


def _compare(
    connection: BaseDatabaseWrapper,
    kept: Kept,
    after: Table | None,
    pairs: list[tuple[Column, Column]],
) -> TableChange:
    table, rows, checksum = kept.table, kept.rows, kept.checksum
    with connection.cursor() as cursor, transaction.atomic(using=connection.alias):
        for statement in STEADY_TEXT:
            # sql-reviewed: constants of apps/database/facts/tables.py.
            cursor.execute(statement)
        common = {old.name for old, _ in pairs}
        emptied = _filled_values(cursor, table, [c for c in table.columns if c.name not in common])
        if after is None:
            return TableChange(
                table.name, rows, 0, lost=rows, emptied=emptied, checksum_before=checksum
            )
        rows_after, checksum_after = _checksum(cursor, _identifier(after.name), after.columns)
        lost, added, changed, filled = 0, 0, 0, 0
        if (rows, checksum) != (rows_after, checksum_after):
            lost, added, changed, filled = _differences(cursor, table, after, pairs)
    return TableChange(
        table.name,
        rows,
        rows_after,
        lost,
        added,
        changed,
        filled,
        emptied,
        checksum,
        checksum_after,
    )


def _filled_values(cursor: CursorWrapper, table: Table, columns: list[Column]) -> dict[str, int]:
    if not columns:
        return {}
    counts = SQL(", ").join(SQL("count({})").format(Identifier(c.name)) for c in columns)
    cursor.execute(SQL("SELECT {} FROM {}").format(counts, _aside(table)))
    found = zip(columns, cursor.fetchone(), strict=True)
    return {column.name: number for column, number in found if number}


def _checksum(
    cursor: CursorWrapper, table: Composable, columns: Iterable[Column]
) -> tuple[int, str]:
    """Rows, and a sum over them that does not depend on their order; quick, for one server only."""
    if not any(column.type in HASHED_ALIKE for column in columns):
        try:
            with transaction.atomic(using=cursor.db.alias):
                return _summed(cursor, table, _OF_RECORD)
        except DatabaseError:
            # A type such as json has no hash of its own.
            pass
    return _summed(cursor, table, "pg_catalog.hashtextextended(t::text, 0)")


def _summed(cursor: CursorWrapper, table: Composable, hashed: str) -> tuple[int, str]:
    statement = SQL("SELECT count(*), coalesce(sum({}), 0) FROM {} t")
    # sql-reviewed: one of the two texts beside.
    cursor.execute(statement.format(SQL(hashed), table))
    rows, total = cursor.fetchone()
    return int(rows), f"{int(total) & (1 << 64) - 1:016x}"


# Hashed twice: a record's hash is a sum of its columns' hashes, so that values which change places
# between two rows would leave the sum of the rows as it is.
_OF_RECORD = "pg_catalog.hashint8extended(pg_catalog.hash_record_extended(t, 0), 0)"


def _differences(
    cursor: CursorWrapper, table: Table, after: Table, pairs: list[tuple[Column, Column]]
) -> tuple[int, int, int, int]:
    """Rows lost, added, changed, and filled where there was NULL; by key where there is one."""
    keys = [(old, new) for old, new in pairs if old.name in table.key]
    if not keys or len(keys) != len(table.key):
        return _counted(cursor, table, after)
    try:
        with transaction.atomic(using=cursor.db.alias):
            cursor.execute(_joined(table, after, pairs, keys, by_text=False))
            found = cursor.fetchone()
    except DatabaseError:
        # The new type does not go back into the old one.
        cursor.execute(_joined(table, after, pairs, keys, by_text=True))
        found = cursor.fetchone()
    lost, added, changed, filled = (int(number) for number in found)
    return lost, added, changed, filled


def _counted(cursor: CursorWrapper, table: Table, after: Table) -> tuple[int, int, int, int]:
    cursor.execute(
        SQL("SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM {})").format(
            _aside(table), _identifier(after.name)
        )
    )
    before, now = cursor.fetchone()
    return max(before - now, 0), max(now - before, 0), 0, 0


def _joined(
    table: Table,
    after: Table,
    pairs: list[tuple[Column, Column]],
    keys: list[tuple[Column, Column]],
    *,
    by_text: bool,
) -> Composed:
    joined = SQL(" AND ").join(
        SQL("{} = {}").format(_old(old), _new(old, new, by_text=False)) for old, new in keys
    )
    values = [pair for pair in pairs if pair not in keys]
    apart = [
        SQL("{} IS DISTINCT FROM {}").format(
            _old(old, by_text=by_text), _new(old, new, by_text=by_text)
        )
        for old, new in values
    ]
    changed = [
        SQL("(b.{} IS NOT NULL AND {})").format(Identifier(old.name), differs)
        for (old, _), differs in zip(values, apart, strict=True)
    ]
    filled = [
        SQL("(b.{} IS NULL AND a.{} IS NOT NULL)").format(
            Identifier(old.name), Identifier(new.name)
        )
        for old, new in values
    ]
    return SQL(_DIFFERENCES).format(
        key_old=Identifier(keys[0][0].name),
        key_new=Identifier(keys[0][1].name),
        apart=_any(apart),
        changed=_any(changed),
        filled=_any(filled),
        before=_aside(table),
        after=_identifier(after.name),
        joined=joined,
    )


def _any(conditions: list[Composed]) -> Composable:
    return SQL(" OR ").join(conditions) if conditions else SQL("false")


# Most rows are the same: they are compared once. OFFSET keeps the four counts from doing it anew.
_DIFFERENCES = """
SELECT count(*) FILTER (WHERE lost), count(*) FILTER (WHERE added),
       count(*) FILTER (WHERE found % 2 = 1), count(*) FILTER (WHERE found >= 2)
FROM (
    SELECT a.{key_new} IS NULL AS lost, b.{key_old} IS NULL AS added,
           CASE WHEN a.{key_new} IS NULL OR b.{key_old} IS NULL THEN 0
                WHEN {apart} THEN ({changed})::int + 2 * ({filled})::int ELSE 0 END AS found
    FROM {before} b FULL JOIN {after} a ON {joined}
    OFFSET 0
) compared
"""


def _old(column: Column, *, by_text: bool = False) -> Composed:
    by_text = by_text or column.type.startswith(BY_TEXT)
    return SQL("b.{}::text" if by_text else "b.{}").format(Identifier(column.name))


def _new(old: Column, new: Column, *, by_text: bool) -> Composed:
    """The value after, taken back into the type before: what was cut off stays cut off."""
    value = SQL("a.{}").format(Identifier(new.name))
    if old.type != new.type and not by_text:
        # sql-reviewed: the catalog's own words for a type, quoted where they have to be.
        value = value + SQL("::") + SQL(old.type)
    if by_text or old.type.startswith(BY_TEXT):
        value = value + SQL("::text")
    return value


def _aside(table: Table) -> Identifier:
    return Identifier(ASIDE, f"t{table.oid}")


def _identifier(name: str) -> Identifier:
    return Identifier(*name.split(".", 1))
