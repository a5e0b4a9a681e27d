"""Facts about sequences: what each would give next."""

from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Identifier


def own_sequences(cursor: CursorWrapper) -> list[tuple[str, str]]:
    """Schema and name of every sequence that belongs to this session's role, in order."""
    cursor.execute(
        """
        SELECT n.nspname, c.relname
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'S' AND c.relpersistence <> 't'
          AND c.relowner = (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = current_user)
        ORDER BY 1, 2
        """
    )
    return [(schema, name) for schema, name in cursor.fetchall()]


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
