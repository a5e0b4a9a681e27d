"""What a rehearsal reads of the real database: its version, extensions, sizes and history."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from django.db.migrations.recorder import MigrationRecorder

from apps.database.connection import open_wrapper
from apps.database.facts.server import server_version
from apps.schema.extensions import Offer, offers
from config.database import DatabaseEntry

# How long a table's lock on the real database is waited for; the rehearsal is in nobody's way.
PATIENCE_SECONDS = 10


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
    # What the server could give of each extension, and whether to a superuser.
    offers: Mapping[str, Offer]
    superuser: bool


def read_live(entry: DatabaseEntry) -> Live:
    """Read in one read-only transaction. Raises DatabaseError when it cannot be reached."""
    with closing(open_wrapper(entry)) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        # A lock may be taken between two questions.
        cursor.execute(
            "SELECT pg_catalog.set_config('lock_timeout', %s, true), r.rolsuper"
            " FROM pg_catalog.pg_roles r WHERE r.rolname = current_user",
            [f"{PATIENCE_SECONDS}s"],
        )
        superuser = bool(cursor.fetchone()[1])
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
        offered = offers(cursor)
        cursor.execute("ROLLBACK")
    major = int(version.partition(".")[0])
    return Live(major, extensions, sizes, applied, offered, superuser)


# A size waits behind an exclusive lock: there the last estimate serves.
_SIZES = """
WITH locked AS MATERIALIZED (
    SELECT DISTINCT relation FROM pg_catalog.pg_locks
    WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
      AND database = (SELECT oid FROM pg_catalog.pg_database
                      WHERE datname = pg_catalog.current_database())
)
SELECT n.nspname || '.' || c.relname,
       CASE WHEN c.reltuples > 0 THEN c.reltuples::bigint
            ELSE pg_catalog.pg_stat_get_live_tuples(c.oid) END,
       CASE WHEN l.relation IS NULL THEN pg_catalog.pg_table_size(c.oid)
            ELSE c.relpages * pg_catalog.current_setting('block_size')::bigint END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN locked l ON l.relation = c.oid
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
