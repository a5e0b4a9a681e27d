"""Facts about searches in the middle of texts, which only an index of trigrams can answer."""

import re
from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper

from apps.database.facts.questions import ask
from apps.database.facts.statement_texts import StatementText, statement_texts

# What the server keeps is searched for these before it is read closely.
PATTERN = r"\milike\M|~~\*|\mupper\M.*\mlike\M|%>|<%|\s%\s"
_NAME = r'(?:"?(?P<of>\w+)"?\.)?"?(?P<column>\w+)"?(?:::\w+)?'
_PLAIN = (
    re.compile(rf"{_NAME}\s+(?:NOT\s+)?(?:ILIKE|~~\*)\s", re.IGNORECASE),
    re.compile(rf"{_NAME}\s+(?:%>>?|%)\s+\(?(?:\$|')", re.IGNORECASE),
    re.compile(rf"(?:\$[0-9]+|')\)?\s+(?:<<?%|%)\s+\(?{_NAME}", re.IGNORECASE),
)
_CAPITALS = (re.compile(rf"\bUPPER\({_NAME}\)\s+LIKE\s+UPPER\(", re.IGNORECASE),)


@dataclass(frozen=True)
class TextColumn:
    """A text column of a large table; whether trigrams, or capitals, of it are indexed."""

    schema: str
    table: str
    column: str
    has_trigrams: bool
    has_capitals: bool

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}.{self.column}"


@dataclass(frozen=True)
class Search:
    """A statement that searches in the middle of a column, as it is or in `capitals`."""

    column: TextColumn
    statement: StatementText
    capitals: bool


def text_columns(cursor: CursorWrapper, rows: int) -> list[TextColumn]:
    """The text columns of tables with at least so many rows, by name."""
    found = ask(cursor, "our_table", "text_columns", parameters=[rows])
    return [TextColumn(*row) for row in found]


def unindexed_searches(
    cursor: CursorWrapper, columns: list[TextColumn], calls: int
) -> list[Search]:
    """One statement, run at least so often, for each column that is searched without trigrams.

    Raises NoAnswer where the statements are not seen.
    """
    open_ones = [c for c in columns if not (c.has_trigrams and c.has_capitals)]
    if not open_ones:
        return []
    found: dict[str, Search] = {}
    frequent = [s for s in statement_texts(cursor, PATTERN) if s.calls >= calls]
    for statement in frequent:
        for name, capitals in searched_columns(statement.text):
            for column in open_ones:
                served = column.has_capitals if capitals else column.has_trigrams
                if served or column.column != name or column.subject in found:
                    continue
                if re.search(rf"\b{re.escape(column.table)}\b", statement.text):
                    found[column.subject] = Search(column, statement, capitals)
    return [found[subject] for subject in sorted(found)]


def searched_columns(text: str) -> set[tuple[str, bool]]:
    """The names of columns that a statement searches in the middle, and whether in capitals."""
    plain = {(m["column"], False) for p in _PLAIN for m in p.finditer(text)}
    return plain | {(m["column"], True) for p in _CAPITALS for m in p.finditer(text)}
