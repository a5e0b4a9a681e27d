"""Facts about the live schema: what tables, columns, indexes and constraints there are."""

from collections import defaultdict
from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True)
class LiveColumn:
    """A column as the catalog has it; `type` is format_type's, with its length."""

    name: str
    type: str
    not_null: bool


def columns_by_table(cursor: CursorWrapper, schema: str) -> dict[str, dict[str, LiveColumn]]:
    """The columns of every table of the schema, by table and name."""
    cursor.execute(
        """
        SELECT c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_attribute a
          ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE n.nspname = %s AND c.relkind IN ('r', 'p')
        ORDER BY 1, a.attnum
        """,
        [schema],
    )
    tables: dict[str, dict[str, LiveColumn]] = defaultdict(dict)
    for table, name, kind, not_null in cursor.fetchall():
        columns = tables[table]
        if name is not None:
            columns[name] = LiveColumn(name, kind, not_null)
    return dict(tables)


@dataclass(frozen=True)
class LiveIndex:
    """An index: its key columns in order (None for an expression), and whether it serves."""

    table: str
    name: str
    columns: tuple[str | None, ...]
    unique: bool
    partial: bool
    valid: bool


def indexes(cursor: CursorWrapper, schema: str) -> list[LiveIndex]:
    """Every index of the schema, by table and name."""
    cursor.execute(
        """
        SELECT t.relname, i.relname,
               ARRAY(SELECT a.attname::text
                     FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS k(number, place)
                     LEFT JOIN pg_catalog.pg_attribute a
                       ON a.attrelid = t.oid AND a.attnum = k.number AND k.number > 0
                     WHERE k.place <= x.indnkeyatts ORDER BY k.place),
               x.indisunique, x.indpred IS NOT NULL, x.indisvalid AND x.indisready
        FROM pg_catalog.pg_index x
        JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
        JOIN pg_catalog.pg_class t ON t.oid = x.indrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
        WHERE n.nspname = %s
        ORDER BY 1, 2
        """,
        [schema],
    )
    return [LiveIndex(row[0], row[1], tuple(row[2]), *row[3:]) for row in cursor.fetchall()]


@dataclass(frozen=True)
class LiveConstraint:
    """A constraint; `kind` is pg_constraint's letter, `validated` false after NOT VALID."""

    table: str
    name: str
    kind: str
    columns: tuple[str, ...]
    validated: bool


def constraints(cursor: CursorWrapper, schema: str) -> list[LiveConstraint]:
    """Every constraint on the tables of the schema, by table and name."""
    cursor.execute(
        """
        SELECT t.relname, c.conname, c.contype,
               ARRAY(SELECT a.attname::text
                     FROM unnest(c.conkey) WITH ORDINALITY AS k(number, place)
                     JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
                     ORDER BY k.place),
               c.convalidated
        FROM pg_catalog.pg_constraint c
        JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
        WHERE n.nspname = %s
        ORDER BY 1, 2
        """,
        [schema],
    )
    return [
        LiveConstraint(table, name, _text(kind), tuple(columns), validated)
        for table, name, kind, columns, validated in cursor.fetchall()
    ]


def _text(value: str | bytes) -> str:
    """The catalog's one-letter type, which drivers give as text or as bytes."""
    return value.decode() if isinstance(value, bytes) else value
