"""Facts about the rows of tables: how many, and a fingerprint that one changed value changes."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Identifier

from apps.database.facts.fingerprints import NEWEST, questions

# What the text form of a row depends on must be the same wherever it is read.
STEADY_TEXT = (
    "SET LOCAL search_path = ''",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'postgres'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
    # Compiling a question takes longer than asking it of most tables.
    "SET LOCAL jit = off",
)

COUNT = "SELECT count(*), NULL FROM ONLY {} t"


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


def table_contents(
    cursor: CursorWrapper, *, fingerprint_method: int | None = NEWEST
) -> dict[str, TableContent]:
    """The content of every table, by `schema.table`; reads all rows, inside a transaction.

    Without a method of `fingerprints.METHODS` the rows are counted only.
    """
    for statement in STEADY_TEXT:
        cursor.execute(statement)
    tables = table_names(cursor)
    if fingerprint_method is None:
        asked = [(table, SQL(COUNT).format(Identifier(*table))) for table in tables]
    else:
        asked = list(questions(cursor, fingerprint_method, tables))
    contents = {}
    for (schema, table), question in asked:
        # sql-reviewed: composed here and in fingerprints.py, of names that are quoted.
        cursor.execute(question)
        contents[f"{schema}.{table}"] = TableContent(*cursor.fetchone())
    return contents
