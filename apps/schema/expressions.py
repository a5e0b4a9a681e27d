"""What an SQL expression means to PostgreSQL's own planner, whatever its text.

What a model says (`"state" IN ('a', 'b')`) and what the catalog gives back (`((state)::text = ANY
(…))`) differ in their text. Both are planned over a row of the table's column types, and what the
planner prints is compared. Nothing is executed or created, and no privilege on the table is needed.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.sql import SQL, Composed, Identifier

from apps.database.facts.schema import LiveColumn

DENIED = "42501"
Columns = Mapping[str, LiveColumn]


@dataclass(frozen=True)
class Expression:
    """A text over the columns of one table; `cast` is the type of the column that it is for."""

    text: str
    cast: str = ""

    @property
    def target(self) -> str:
        return f"({self.text})::{self.cast}" if self.cast else f"({self.text})"


class Planner:
    """Asks one server, inside a transaction. `denied` says what the role may not plan."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.denied: str | None = None
        self._types: dict[str, str | None] = {}

    def meanings(self, wanted: Collection[Expression], columns: Columns) -> dict[Expression, str]:
        """What each expression means; its own text where it cannot be planned."""
        expressions = sorted(wanted, key=lambda expression: expression.target)
        if not expressions:
            return {}
        printed = self._printed([expression.target for expression in expressions], columns)
        if printed is not None:
            return dict(zip(expressions, printed, strict=True))
        if len(expressions) == 1:
            # A column or a function is missing.
            return {expressions[0]: expressions[0].text}
        found: dict[Expression, str] = {}
        for expression in expressions:
            found |= self.meanings([expression], columns)
        return found

    def type_name(self, kind: str) -> str | None:
        """A type as the catalog prints it, such as `numeric(10,2)`; None when there is none."""
        if kind not in self._types:
            printed = self._printed([f"NULL::{kind}"], {})
            self._types[kind] = printed[0].removeprefix("NULL::") if printed else None
        return self._types[kind]

    def _printed(self, targets: list[str], columns: Columns) -> list[str] | None:
        with self.connection.cursor() as cursor:
            # A refusal must not end the transaction that everything is read in.
            cursor.execute("SAVEPOINT planned")
            try:
                cursor.execute(_explain(targets, columns))
            except DatabaseError as error:
                cursor.execute("ROLLBACK TO SAVEPOINT planned")
                if getattr(error.__cause__, "sqlstate", "") == DENIED:
                    self.denied = str(error).strip().splitlines()[0]
                return None
            (plan,) = cursor.fetchone()
            cursor.execute("RELEASE SAVEPOINT planned")
        said = json.loads(plan) if isinstance(plan, str) else plan
        return list(said[0]["Plan"]["Output"])


def _explain(targets: list[str], columns: Columns) -> Composed:
    explain = SQL("EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) SELECT {}").format(
        SQL(", ").join(SQL(target) for target in targets)
    )
    if not columns:
        return explain
    row = SQL(", ").join(_declared(column) for column in columns.values())
    return explain + SQL(" FROM pg_catalog.json_to_record('{{}}') AS t({})").format(row)


def _declared(column: LiveColumn) -> Composed:
    kind = SQL(column.type)
    declared = SQL("{} {}").format(Identifier(column.name), kind)
    if column.collation is None:
        return declared
    return declared + SQL(" COLLATE {}").format(Identifier(column.collation))
