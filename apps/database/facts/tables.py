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
FINGERPRINT = """
SELECT count(*),
       coalesce(sum(pg_catalog.hashtextextended(t::text, 0)), 0)::text
FROM ONLY {} t
"""


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
    question = FINGERPRINT if fingerprints else COUNT
    contents = {}
    for schema, table in table_names(cursor):
        cursor.execute(SQL(question).format(Identifier(schema, table)))
        contents[f"{schema}.{table}"] = TableContent(*cursor.fetchone())
    return contents
