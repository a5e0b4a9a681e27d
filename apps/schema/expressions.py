"""What an SQL expression means to PostgreSQL's own planner, whatever its text.

What a model says (`"state" IN ('a', 'b')`) and what the catalog gives back (`((state)::text = ANY
(…))`) differ in their text. Both are planned over a row of the table's column types, and what the
planner prints is compared. Nothing is executed or created, and no privilege on the table is needed.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.sql import SQL, Composed, Identifier

from apps.database.facts.schema import LiveColumn

DENIED = "42501"
# How many tables are asked about in one question.
TOGETHER = 50
Columns = Mapping[str, LiveColumn]


@dataclass(frozen=True)
class Expression:
    """A text over the columns of one table; `cast` is the type of the column that it is for."""

    text: str
    cast: str = ""

    @property
    def target(self) -> str:
        return f"({self.text})::{self.cast}" if self.cast else f"({self.text})"


@dataclass(frozen=True)
class Row:
    """The expressions over one table's columns."""

    expressions: tuple[Expression, ...]
    columns: Columns


@dataclass
class Meanings:
    """What a table's expressions mean; `denied` says what the role may not plan."""

    printed: dict[Expression, str] = field(default_factory=dict)
    denied: str | None = None

    def differ(self, expected: str, actual: str | None, cast: str = "") -> bool:
        """Whether two texts mean something else; an actual one that was not read does not."""
        if actual is None or self.denied is not None:
            return False
        return self.printed[Expression(expected, cast)] != self.printed[Expression(actual, cast)]


@dataclass(frozen=True)
class _Question:
    """An expression with the columns that it may speak of: name, type and collation of each.

    Tables that say the same of such columns share the answer.
    """

    expression: Expression
    columns: tuple[tuple[str, str, str | None], ...]


@dataclass(frozen=True)
class _Answer:
    printed: str
    denied: str | None = None


class Planner:
    """Asks one server, inside a transaction; nothing is asked twice."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self._known: dict[_Question, _Answer] = {}
        self._types: dict[str, str | None] = {}
        self._refusal: str | None = None

    def meanings(self, rows: Sequence[Row]) -> list[Meanings]:
        """What the expressions of each table mean; its own text where one cannot be planned."""
        asked = [_questions(row) for row in rows]
        seen, new = set(self._known), []
        for questions in asked:
            fresh = [question for question in questions if question not in seen]
            seen.update(fresh)
            if fresh:
                new.append(fresh)
        # Of a size together: what is shorter is filled up.
        new.sort(key=len)
        for start in range(0, len(new), TOGETHER):
            self._ask_together(new[start : start + TOGETHER])
        return [self._answered(questions) for questions in asked]

    def _answered(self, questions: Sequence[_Question]) -> Meanings:
        found = Meanings()
        for question in questions:
            answer = self._known[question]
            found.printed[question.expression] = answer.printed
            found.denied = found.denied or answer.denied
        return found

    def type_name(self, kind: str) -> str | None:
        """A type as the catalog prints it, such as `numeric(10,2)`; None when there is none."""
        if kind not in self._types:
            # sql-reviewed: a type as the models of the project write it; planned, never run.
            outputs = self._outputs([SQL("SELECT NULL::{}").format(SQL(kind))])
            self._types[kind] = outputs[0][0].removeprefix("NULL::") if outputs else None
        return self._types[kind]

    def _ask_together(self, groups: Sequence[Sequence[_Question]]) -> None:
        """The questions of many tables at once; table by table where one is refused."""
        width = max(len(group) for group in groups)
        outputs = self._outputs([_select(group, width) for group in groups])
        if outputs is None:
            for group in groups:
                self._ask_alone(group)
            return
        for group, printed in zip(groups, outputs, strict=True):
            self._note(group, printed)

    def _ask_alone(self, group: Sequence[_Question]) -> None:
        """One table's questions, at once or, where one is refused, one by one."""
        outputs = self._outputs([_select(group, len(group))])
        if outputs is not None:
            self._note(group, outputs[0])
            return
        for question in group:
            self._refusal = None
            alone = self._outputs([_select([question], 1)])
            # Without an answer a column or a function is missing.
            printed = _ROW.sub("", alone[0][0]) if alone else question.expression.text
            self._known[question] = _Answer(printed, self._refusal)

    def _note(self, group: Sequence[_Question], printed: Sequence[str]) -> None:
        for question, text in zip(group, printed, strict=False):
            self._known[question] = _Answer(_ROW.sub("", text))

    def _outputs(self, selects: Sequence[Composed]) -> list[list[str]] | None:
        """What the planner prints for each SELECT; None when it refuses one."""
        explain = SQL("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) ")
        with self.connection.cursor() as cursor:
            # A refusal must not end the transaction that everything is read in.
            cursor.execute("SAVEPOINT planned")
            try:
                cursor.execute(explain + SQL(" UNION ALL ").join(selects))
            except DatabaseError as error:
                cursor.execute("ROLLBACK TO SAVEPOINT planned")
                if getattr(error.__cause__, "sqlstate", "") == DENIED:
                    self._refusal = str(error).strip().splitlines()[0]
                return None
            (plan,) = cursor.fetchone()
            cursor.execute("RELEASE SAVEPOINT planned")
        said = json.loads(plan) if isinstance(plan, str) else plan
        top = said[0]["Plan"]
        return [node["Output"] for node in (top["Plans"] if len(selects) > 1 else [top])]


def _questions(row: Row) -> list[_Question]:
    """The row's expressions, each with those columns whose name occurs in it."""
    names = [
        (column.name.lower(), column.name.lower().replace('"', '""'), column)
        for column in row.columns.values()
    ]
    found = []
    for expression in row.expressions:
        text = expression.text.lower()
        columns = [
            (column.name, column.type, column.collation)
            for name, quoted, column in names
            if name in text or quoted in text
        ]
        found.append(_Question(expression, tuple(columns)))
    return found


# What the planner writes before a column: many rows together have numbers.
_ROW = re.compile(r"\bholdfast_row(_\d+)?\.")


def _select(group: Sequence[_Question], width: int) -> Composed:
    """A SELECT of numbers: of many tables together every column must have one type.

    The wrapping function is not immutable, so the planner keeps it and what is in it.
    """
    targets = [
        # sql-reviewed: text of the catalog or of the models; planned, never run.
        SQL("pg_catalog.pg_column_size({})").format(SQL(question.expression.target))
        for question in group
    ]
    targets += [SQL("NULL::integer").format()] * (width - len(targets))
    mentioned = dict.fromkeys(column for question in group for column in question.columns)
    columns = [_declared(*column) for column in mentioned] or [SQL("nothing integer").format()]
    return SQL("SELECT {} FROM pg_catalog.json_to_record('{{}}') AS holdfast_row({})").format(
        SQL(", ").join(targets), SQL(", ").join(columns)
    )


@lru_cache(maxsize=4096)
def _declared(name: str, kind: str, collation: str | None) -> Composed:
    # sql-reviewed: format_type() of the catalog quotes what needs it.
    declared = SQL("{} {}").format(Identifier(name), SQL(kind))
    if collation is None:
        return declared
    return declared + SQL(" COLLATE {}").format(Identifier(collation))
