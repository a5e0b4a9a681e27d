"""Facts about what the server writes down and counts of its own work."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Identifier

LIBRARY = "pg_stat_statements"


@dataclass(frozen=True)
class Choice:
    """A setting's value, and where it holds: `server`, or the role and database that differ."""

    name: str
    value: str
    where: str = "server"


def choices(cursor: CursorWrapper, names: Sequence[str]) -> list[Choice]:
    """The settings as this session has them, and the roles' and this database's own, by name.

    A setting that the server does not know is left out.
    """
    cursor.execute(
        """
        WITH overrides AS (
            SELECT pg_catalog.split_part(entry, '=', 1) AS name,
                   pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1) AS value,
                   pg_catalog.concat_ws(' in ', 'role ' || r.rolname, 'database ' || d.datname)
                       AS place
            FROM pg_catalog.pg_db_role_setting s
            LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
            LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
            CROSS JOIN pg_catalog.unnest(s.setconfig) entry
            WHERE s.setdatabase = 0 OR d.datname = pg_catalog.current_database()
        )
        SELECT name, setting, 'server' FROM pg_catalog.pg_settings WHERE name = ANY(%s)
        UNION ALL
        SELECT name, value, place FROM overrides WHERE name = ANY(%s)
        ORDER BY 1, 3
        """,
        [list(names), list(names)],
    )
    return [Choice(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class StatementStatistics:
    """Whether pg_stat_statements is loaded, and the schema of its view in this database."""

    loaded: bool
    schema: str | None
    track: str | None

    @property
    def readable(self) -> bool:
        return self.loaded and self.schema is not None


def statement_statistics(cursor: CursorWrapper) -> StatementStatistics:
    """What is there; `loaded` is seen by members of pg_read_all_settings only."""
    cursor.execute(
        """
        SELECT coalesce((
                   SELECT %s = ANY(pg_catalog.regexp_split_to_array(setting, '[\\s",]+'))
                   FROM pg_catalog.pg_settings WHERE name = 'shared_preload_libraries'), false),
               (SELECT n.nspname FROM pg_catalog.pg_extension e
                JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = %s),
               (SELECT setting FROM pg_catalog.pg_settings
                WHERE name = 'pg_stat_statements.track')
        """,
        [LIBRARY, LIBRARY],
    )
    return StatementStatistics(*cursor.fetchone())


@dataclass(frozen=True)
class CountedStatement:
    """A statement that the statistics keep, and the role that sent it."""

    identifier: int
    role: str
    text: str


def telling_statements(
    cursor: CursorWrapper, schema: str, pattern: str, limit: int = 50
) -> list[CountedStatement]:
    """The kept statements of the server that a pattern (PostgreSQL's, any case) fits, by number."""
    question = SQL(
        """
        SELECT coalesce(s.queryid, 0), coalesce(r.rolname::text, s.userid::text), s.query
        FROM {} s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.userid
        WHERE s.query ~* %s ORDER BY 1, 2 LIMIT %s
        """
    ).format(Identifier(schema, LIBRARY))
    cursor.execute(question, [pattern, limit])
    return [CountedStatement(*row) for row in cursor.fetchall()]
