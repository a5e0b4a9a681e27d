"""Facts about what the server does for its tables by itself, and what a crash would cost."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper

from apps.database.facts.questions import ask


@dataclass(frozen=True)
class Unlogged:
    """A table or sequence that a crash empties, and that no replica has."""

    schema: str
    name: str
    sequence: bool

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.name}"


def unlogged(cursor: CursorWrapper) -> list[Unlogged]:
    """Unlogged tables, and unlogged sequences that fill logged ones, by name."""
    return [Unlogged(*row) for row in ask(cursor, "our_table", "unlogged")]


@dataclass(frozen=True)
class Unvacuumed:
    """A table with autovacuum switched off; with `toast` only for what it keeps aside."""

    schema: str
    table: str
    toast: bool

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}"


def unvacuumed(cursor: CursorWrapper) -> list[Unvacuumed]:
    """Tables that autovacuum was told to leave alone, by name."""
    return [Unvacuumed(*row) for row in ask(cursor, "our_table", "vacuum_off")]


@dataclass(frozen=True)
class DatabaseAge:
    """How many transactions and multixacts ago a database's oldest row was written."""

    database: str
    transactions: int
    multixacts: int
    is_this: bool


def database_ages(cursor: CursorWrapper) -> list[DatabaseAge]:
    """The ages of every database of the server, by name: the oldest one stops them all."""
    return [DatabaseAge(*row) for row in ask(cursor, "database_ages")]


def oldest_tables(cursor: CursorWrapper) -> list[str]:
    """The three tables of this database to be vacuumed first, as SQL writes their names."""
    return [str(name) for (name,) in ask(cursor, "oldest_tables")]


def oldest_holder(cursor: CursorWrapper) -> tuple[str, int] | None:
    """Who holds the oldest transaction open, and its age in transactions; None when nobody does."""
    rows = ask(cursor, "oldest_holder")
    return (str(rows[0][0]), int(rows[0][1])) if rows else None
