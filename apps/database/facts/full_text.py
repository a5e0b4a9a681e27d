"""Facts about full-text search: what is searched, by which indexes, and what they put off."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Identifier

from apps.database.facts.questions import ask
from apps.database.facts.server import extension_schema


@dataclass(frozen=True)
class SearchColumn:
    """A tsvector column that no index searches."""

    schema: str
    table: str
    column: str
    partitioned: bool

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}.{self.column}"


def unsearchable_columns(cursor: CursorWrapper) -> list[SearchColumn]:
    """tsvector columns without a valid GIN, GiST or RUM index, by name."""
    return [SearchColumn(*row) for row in ask(cursor, "our_table", "unsearchable_columns")]


def search_column_count(cursor: CursorWrapper) -> int:
    """How many tsvector columns there are; those of partitions count at their parent."""
    return int(ask(cursor, "our_table", "search_column_count")[0][0])


@dataclass(frozen=True)
class SortingIndex:
    """An index that keeps a tsvector in order; `column` is None for an expression."""

    schema: str
    table: str
    name: str
    column: str | None
    method: str

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}.{self.name}"


def sorting_search_indexes(cursor: CursorWrapper) -> list[SortingIndex]:
    """Indexes of a tsvector by a method that finds no word in it, by name."""
    return [SortingIndex(*row) for row in ask(cursor, "our_table", "sorting_search_indexes")]


@dataclass(frozen=True)
class PendingList:
    """A GIN index that may put off more than it should; `locked` says that it cannot be read."""

    schema: str
    table: str
    name: str
    id: int
    limit_kilobytes: int
    locked: bool

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}.{self.name}"


def long_pending_lists(cursor: CursorWrapper, kilobytes: int) -> list[PendingList]:
    """GIN indexes whose list of pending entries may grow longer than so much, by name."""
    rows = ask(cursor, "our_table", "pending_lists", parameters=[kilobytes])
    return [PendingList(*row) for row in rows]


def pending_pages(cursor: CursorWrapper, ids: list[int]) -> dict[int, int] | None:
    """The pages of pending entries of each GIN index; None without the extension pgstattuple.

    It reads one page of each, and waits behind whoever holds an index exclusively.
    """
    schema = extension_schema(cursor, "pgstattuple")
    if schema is None:
        return None
    statement = SQL(
        "SELECT i.id, s.pending_pages FROM unnest(%s::bigint[]) AS i(id)"
        " CROSS JOIN LATERAL {}.pgstatginindex(i.id::oid::regclass) AS s"
    ).format(Identifier(schema))
    cursor.execute(statement, [ids])
    return {int(number): int(pages) for number, pages in cursor.fetchall()}
