"""What an SQL expression means to PostgreSQL's own planner, whatever its text.

What a model says (`"state" IN ('a', 'b')`) and what the catalog gives back (`((state)::text = ANY
(…))`) differ in their text. Both are planned over a row of the table's column types, and what the
planner prints is compared. Nothing is executed or created, and no privilege on the table is needed.
"""

import json
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


class Planner:
    """Asks one server, inside a transaction."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self._types: dict[str, str | None] = {}
        self._refusal: str | None = None

    def meanings(self, rows: Sequence[Row]) -> list[Meanings]:
        """What the expressions of each table mean; its own text where one cannot be planned."""
        found: list[Meanings] = []
        for start in range(0, len(rows), TOGETHER):
            found += self._together(rows[start : start + TOGETHER])
        return found

    def type_name(self, kind: str) -> str | None:
        """A type as the catalog prints it, such as `numeric(10,2)`; None when there is none."""
        if kind not in self._types:
            # sql-reviewed: a type as the models of the project write it; planned, never run.
            outputs = self._outputs([SQL("SELECT NULL::{}").format(SQL(kind))])
            self._types[kind] = outputs[0][0].removeprefix("NULL::") if outputs else None
        return self._types[kind]

    def _together(self, rows: Sequence[Row]) -> list[Meanings]:
        asked = [row for row in rows if row.expressions]
        width = max((len(row.expressions) for row in asked), default=0)
        outputs = self._outputs([_select(row, width) for row in asked]) if asked else []
        if outputs is None:
            return [self._alone(row) for row in rows]
        answers = iter(outputs)
        return [
            Meanings(dict(zip(row.expressions, next(answers), strict=False)))
            if row.expressions
            else Meanings()
            for row in rows
        ]

    def _alone(self, row: Row) -> Meanings:
        """One table's expressions, in one question or, where one is refused, in one each."""
        outputs = self._outputs([_select(row, len(row.expressions))]) if row.expressions else [[]]
        if outputs is not None:
            return Meanings(dict(zip(row.expressions, outputs[0], strict=True)))
        found = Meanings()
        for expression in row.expressions:
            self._refusal = None
            alone = self._outputs([_select(Row((expression,), row.columns), 1)])
            # Without an answer a column or a function is missing.
            found.printed[expression] = alone[0][0] if alone else expression.text
            found.denied = found.denied or self._refusal
        return found

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


def _select(row: Row, width: int) -> Composed:
    """A SELECT of numbers: of many tables together every column must have one type.

    The wrapping function is not immutable, so the planner keeps it and what is in it.
    """
    targets = [
        # sql-reviewed: text of the catalog or of the models; planned, never run.
        SQL("pg_catalog.pg_column_size({})").format(SQL(expression.target))
        for expression in row.expressions
    ]
    targets += [SQL("NULL::integer").format()] * (width - len(targets))
    columns = SQL(", ").join(_declared(column) for column in row.columns.values())
    return SQL("SELECT {} FROM pg_catalog.json_to_record('{{}}') AS t({})").format(
        SQL(", ").join(targets), columns
    )


@lru_cache(maxsize=4096)
def _declared(column: LiveColumn) -> Composed:
    # sql-reviewed: format_type() of the catalog quotes what needs it.
    kind = SQL(column.type)
    declared = SQL("{} {}").format(Identifier(column.name), kind)
    if column.collation is None:
        return declared
    return declared + SQL(" COLLATE {}").format(Identifier(column.collation))
