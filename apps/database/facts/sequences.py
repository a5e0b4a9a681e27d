"""Facts about sequences: what each would give next."""

from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Identifier


def sequence_positions(cursor: CursorWrapper) -> dict[str, int]:
    """The next value of every sequence that is no extension's, by `schema.sequence`.

    Sequences stand outside transactions: inside an old snapshot too they answer with today's.
    """
    cursor.execute(
        """
        SELECT n.nspname, c.relname, s.seqincrement
        FROM pg_catalog.pg_sequence s
        JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relpersistence <> 't'
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_class'::regclass
                            AND d.objid = c.oid AND d.deptype = 'e')
        ORDER BY 1, 2
        """
    )
    positions = {}
    for schema, name, increment in cursor.fetchall():
        statement = "SELECT last_value + CASE WHEN is_called THEN {} ELSE 0 END FROM {}"
        cursor.execute(SQL(statement).format(int(increment), Identifier(schema, name)))
        positions[f"{schema}.{name}"] = int(cursor.fetchone()[0])
    return positions
