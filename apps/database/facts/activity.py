"""Facts about how much a database does and holds: the server's own counts, visible to everybody."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True)
class Activity:
    """Counts since the statistics were reset, sessions now of all databases, and bytes on disk."""

    commits: int
    rollbacks: int
    deadlocks: int
    sessions: int
    max_connections: int
    bytes: int


def activity(cursor: CursorWrapper) -> Activity:
    """Of this database; sessions and their limit are of the whole server."""
    cursor.execute(
        """
        SELECT d.xact_commit, d.xact_rollback, d.deadlocks,
               (SELECT sum(numbackends)::int FROM pg_catalog.pg_stat_database),
               pg_catalog.current_setting('max_connections')::int,
               pg_catalog.pg_database_size(d.datid)
        FROM pg_catalog.pg_stat_database d WHERE d.datname = pg_catalog.current_database()
        """
    )
    return Activity(*cursor.fetchone())
