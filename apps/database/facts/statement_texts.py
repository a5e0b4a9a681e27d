"""Facts about the statements that the server was sent, as pg_stat_statements keeps them."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Identifier

from apps.database.facts.errors import NoAnswer
from apps.database.facts.roles import is_member
from apps.database.facts.server import extension_schema, session_role


@dataclass(frozen=True)
class StatementText:
    """A statement with its values replaced by `$1`, `$2`, …, and how often it ran."""

    text: str
    calls: int


def statement_texts(cursor: CursorWrapper, pattern: str) -> list[StatementText]:
    """This database's statements that match a regular expression, most frequent first.

    Raises NoAnswer where the extension is not installed, or hides the texts from this role.
    """
    schema = extension_schema(cursor, "pg_stat_statements")
    if schema is None:
        raise NoAnswer(
            "The server keeps no statements, so that searches are not seen. Add pg_stat_statements "
            "to shared_preload_libraries, then: CREATE EXTENSION pg_stat_statements;"
        )
    if not is_member(cursor, "pg_read_all_stats"):
        role = session_role(cursor)
        raise NoAnswer(
            f"The texts of others' statements are hidden from {role}. "
            f'GRANT pg_read_all_stats TO "{role}";'
        )
    question = SQL(
        """
        SELECT s.query, sum(s.calls)::bigint
        FROM {}.pg_stat_statements s
        JOIN pg_catalog.pg_database d ON d.oid = s.dbid
        WHERE d.datname = pg_catalog.current_database() AND s.query ~* %s
        GROUP BY s.query ORDER BY 2 DESC, 1
        """
    ).format(Identifier(schema))
    cursor.execute(question, [pattern])
    return [StatementText(*row) for row in cursor.fetchall()]
