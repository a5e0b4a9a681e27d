"""What a rehearsal reads of the real database: its version, extensions, sizes and history."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from django.db.migrations.recorder import MigrationRecorder

from apps.database.connection import open_wrapper
from apps.database.facts.server import server_version
from config.database import DatabaseEntry


@dataclass(frozen=True)
class Size:
    """A table's size; `rows` as the server estimates them."""

    rows: int
    bytes: int


@dataclass(frozen=True)
class Live:
    """The real database, read once and never touched again."""

    major: int
    extensions: tuple[str, ...]
    sizes: Mapping[str, Size]
    applied: frozenset[tuple[str, str]]


def read_live(entry: DatabaseEntry) -> Live:
    """Read in one read-only transaction. Raises DatabaseError when it cannot be reached."""
    with closing(open_wrapper(entry)) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        version = server_version(cursor)
        cursor.execute(
            "SELECT extname FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"
        )
        extensions = tuple(row[0] for row in cursor.fetchall())
        cursor.execute(_SIZES)
        sizes = {row[0]: Size(row[1], row[2]) for row in cursor.fetchall()}
        applied = frozenset[tuple[str, str]]()
        if MigrationRecorder.Migration._meta.db_table in connection.introspection.table_names(
            cursor
        ):
            cursor.execute("SELECT app, name FROM django_migrations")
            applied = frozenset((app, name) for app, name in cursor.fetchall())
        cursor.execute("ROLLBACK")
    return Live(int(version.partition(".")[0]), extensions, sizes, applied)


_SIZES = """
SELECT n.nspname || '.' || c.relname,
       CASE WHEN c.reltuples > 0 THEN c.reltuples::bigint
            ELSE pg_catalog.pg_stat_get_live_tuples(c.oid) END,
       pg_catalog.pg_table_size(c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
