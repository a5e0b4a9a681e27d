"""Facts about indexes and keys: which are missing, and which serve nobody.

All of it is read from the catalog's columns: spelling an index or an expression out, or asking for
a size, waits behind whoever holds the table exclusively.
"""

import re
from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper

from apps.database.facts.questions import ask, columns_in, quoted

# Django ends the names that it makes up with a digest.
_MADE_BY_DJANGO = re.compile(r"_[0-9a-f]{8}$")


@dataclass(frozen=True)
class UnindexedForeignKey:
    """A foreign key whose columns no usable index begins with."""

    schema: str
    table: str
    columns: tuple[str, ...]
    constraint: str
    partitioned: bool

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}.{'_'.join(self.columns)}"

    @property
    def remedy(self) -> str:
        """The index that is missing; PostgreSQL makes none concurrently on a partitioned table."""
        how = "" if self.partitioned else " CONCURRENTLY"
        table = quoted(self.schema, self.table)
        return f"CREATE INDEX{how} ON {table} ({columns_in(self.columns)});"


def unindexed_foreign_keys(cursor: CursorWrapper) -> list[UnindexedForeignKey]:
    """Foreign keys without a usable index; partial and invalid indexes do not count.

    A partial index counts that leaves out only rows without a key: every look-up implies it.
    """
    rows = ask(cursor, "our_table", "unindexed_foreign_keys")
    return [UnindexedForeignKey(row[0], row[1], tuple(row[2]), row[3], row[4]) for row in rows]


def foreign_key_count(cursor: CursorWrapper) -> int:
    """How many foreign keys the tables have that are no system's and no extension's."""
    return int(ask(cursor, "our_table", "foreign_key_count")[0][0])


@dataclass(frozen=True)
class TableWithoutKey:
    """A table without a primary key; `candidate` names a unique index that could become it."""

    schema: str
    table: str
    candidate: str | None

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}"


def tables_without_key(cursor: CursorWrapper) -> list[TableWithoutKey]:
    """Tables without a primary key, by name; of a partitioned one the whole, not its parts."""
    return [TableWithoutKey(*row) for row in ask(cursor, "our_table", "tables_without_key")]


@dataclass(frozen=True)
class InvalidIndex:
    """An index that serves no query; `unseen` counts builds that this role cannot place."""

    schema: str
    table: str
    name: str
    partitioned: bool
    constraint: str | None
    unseen: int

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}.{self.name}"


def invalid_indexes(cursor: CursorWrapper) -> list[InvalidIndex]:
    """Invalid indexes by name, without those that somebody is making or dropping now."""
    return [InvalidIndex(*row) for row in ask(cursor, "our_table", "invalid_indexes")]


@dataclass(frozen=True)
class NeedlessIndex:
    """An index that another one of its table makes needless.

    `same` says that both have the same columns; otherwise the other one begins with them.
    """

    schema: str
    table: str
    name: str
    constraint: str | None
    other: str
    same: bool
    other_unique: bool
    partitioned: bool
    serves_key: bool

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}.{self.name}"

    @property
    def made_by_django(self) -> bool:
        """Whether Django made it with a foreign key, beside a unique constraint that begins so.

        Its next migration would expect it, and many-to-many tables cannot be told to go without.
        """
        named = _MADE_BY_DJANGO.search(self.name) is not None
        return named and self.serves_key and self.other_unique and not self.same

    @property
    def remedy(self) -> str:
        if self.constraint is not None:
            table = quoted(self.schema, self.table)
            return f"ALTER TABLE {table} DROP CONSTRAINT {quoted(self.constraint)};"
        how = "" if self.partitioned else " CONCURRENTLY"
        drop = f"DROP INDEX{how} {quoted(self.schema, self.name)};"
        if _MADE_BY_DJANGO.search(self.name) is not None:
            return f"In the model: db_index=False on the field, then makemigrations; or {drop}"
        return drop


def needless_indexes(cursor: CursorWrapper) -> list[NeedlessIndex]:
    """Indexes that equal another one or are the beginning of one, by name."""
    rows = ask(cursor, "our_table", "index_shape", "needless_indexes")
    return [NeedlessIndex(*row) for row in rows]


def index_count(cursor: CursorWrapper) -> int:
    """How many indexes the tables have that are no system's and no extension's."""
    return int(ask(cursor, "our_table", "index_count")[0][0])


@dataclass(frozen=True)
class WholeValueIndex:
    """An index of documents, lists or maps that finds them only as a whole."""

    schema: str
    table: str
    name: str
    column: str
    method: str
    type: str

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}.{self.name}"


def whole_value_indexes(cursor: CursorWrapper) -> list[WholeValueIndex]:
    """Indexes of a btree or hash on jsonb, hstore or arrays, by name; unique ones are meant so."""
    return [WholeValueIndex(*row) for row in ask(cursor, "our_table", "whole_value_indexes")]


@dataclass(frozen=True)
class IdleIndex:
    """A large index that no query used; its age is None unless the server keeps commit times."""

    schema: str
    table: str
    name: str
    bytes: int
    partitioned: bool
    age_seconds: float | None

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}.{self.name}"


def idle_indexes(cursor: CursorWrapper, pages: int) -> list[IdleIndex]:
    """Indexes of at least so many pages that were never scanned since the counters began.

    Without those that a constraint, a foreign key or the replica identity needs.
    """
    rows = ask(cursor, "our_table", "index_shape", "idle_indexes", parameters=[pages])
    return [IdleIndex(*row) for row in rows]
