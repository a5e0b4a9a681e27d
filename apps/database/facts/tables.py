"""Facts about the rows of tables: how many, and a fingerprint that one changed value changes."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Identifier

# What the text form of a row depends on must be the same wherever it is read.
STEADY_TEXT = (
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'postgres'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
)

COUNT = "SELECT count(*), NULL FROM ONLY {} t"
FINGERPRINT = {
    # Hashed twice: a record's hash is a sum of its columns' hashes, so that values which change
    # places between two rows would leave the sum of the rows as it is.
    "record": (
        "SELECT count(*), coalesce(sum(pg_catalog.hashtextextended("
        "pg_catalog.hash_record_extended(t, 0)::text, 0)), 0)::text FROM ONLY {} t"
    ),
    "text": (
        "SELECT count(*), coalesce(sum(pg_catalog.hashtextextended(t::text, 0)), 0)::text"
        " FROM ONLY {} t"
    ),
}
# Types whose hash tells every two values apart that print differently. An enum's hash is of its
# number, which a restore changes; a numeric without a scale is equal to itself with more zeros.
HASHED_TYPES = (
    "bool", "int2", "int4", "int8", "text", "varchar", "uuid", "date", "timestamp", "timestamptz",
    "bytea", "inet", "jsonb", "_int4", "_int8", "_text", "_varchar", "_uuid",
)  # fmt: skip


@dataclass(frozen=True)
class TableContent:
    """A table's rows: their number, and a fingerprint that does not depend on their order.

    The fingerprint is None when it was not wanted.
    """

    rows: int
    fingerprint: str | None


def table_names(cursor: CursorWrapper) -> list[tuple[str, str]]:
    """Schema and name of every table that is no system's and no extension's, in order."""
    cursor.execute(
        """
        SELECT n.nspname, c.relname
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND c.relpersistence <> 't'
          AND n.nspname NOT IN ('pg_catalog', 'information_schema')
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_class'::regclass
                            AND d.objid = c.oid AND d.deptype = 'e')
        ORDER BY 1, 2
        """
    )
    return [(schema, table) for schema, table in cursor.fetchall()]


def table_contents(cursor: CursorWrapper, *, fingerprints: bool = True) -> dict[str, TableContent]:
    """The content of every table, by `schema.table`; reads all rows, inside a transaction."""
    for statement in STEADY_TEXT:
        cursor.execute(statement)
    hashed = _wholly_hashed(cursor) if fingerprints else set()
    contents = {}
    for schema, table in table_names(cursor):
        way = "record" if (schema, table) in hashed else "text"
        question = FINGERPRINT[way] if fingerprints else COUNT
        cursor.execute(SQL(question).format(Identifier(schema, table)))
        contents[f"{schema}.{table}"] = TableContent(*cursor.fetchone())
    return contents


def _wholly_hashed(cursor: CursorWrapper) -> set[tuple[str, str]]:
    """The tables with columns whose types' own hashes serve, and with one at least."""
    cursor.execute(
        """
        SELECT n.nspname, c.relname
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
        WHERE c.relkind = 'r'
        GROUP BY 1, 2
        HAVING bool_and(t.typnamespace = 'pg_catalog'::regnamespace
                        AND (t.typname = ANY(%s) OR t.typname = 'numeric' AND a.atttypmod <> -1)
                        AND coalesce(l.collisdeterministic, true))
        """,
        [list(HASHED_TYPES)],
    )
    return set(cursor.fetchall())
