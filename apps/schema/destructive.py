"""Which operations of a plan would destroy data that is there, so far as their text tells.

The guarded migrate and the controls ask here, so that both mean the same by it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.migration import Migration
from django.db.migrations.operations import (
    AddField,
    AlterField,
    CreateModel,
    DeleteModel,
    RemoveField,
    RunPython,
    RunSQL,
)
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from apps.schema.declared import (
    bare,
    flattened,
    is_code,
    one_way_reason,
    single_statements,
    statements_of,
)

Plan = Sequence[tuple[Migration, bool]]
# What is dropped without a row being lost.
_HARMLESS = (
    r"INDEX|CONSTRAINT|DEFAULT|NOT\s+NULL|IDENTITY|EXPRESSION|VIEW|FUNCTION|PROCEDURE|TRIGGER|RULE"
    r"|POLICY|AGGREGATE|OPERATOR|CAST|COLLATION|STATISTICS|ROLE|USER"
)
_DESTROYS = re.compile(
    rf"\bTRUNCATE\b|\bDELETE\s+FROM\b|\bDROP\s+(?!(?:{_HARMLESS})\b)\w", re.IGNORECASE
)
# What may overwrite values, or not: only the rows can tell.
_OVERWRITES = re.compile(
    r"(?:UPDATE|MERGE|DO|CALL|COPY|WITH|EXECUTE)\b"
    r"|ALTER\s+TABLE\b.*\bALTER\s+(?:COLUMN\s+)?\S+\s+(?:SET\s+DATA\s+)?TYPE\b",
    re.IGNORECASE,
)
_WIDER = (
    ("smallint", "integer", "bigint"),
    ("real", "double precision"),
    ("date", "timestamp with time zone"),
)


@dataclass(frozen=True)
class Destruction:
    """One operation, and what it would destroy."""

    migration: str
    what: str

    def __str__(self) -> str:
        return f"{self.migration}: {self.what}"


def destructions(
    connection: BaseDatabaseWrapper, plan: Plan, state: ProjectState, begun: set[str]
) -> list[Destruction]:
    """What the plan would destroy. `state` is that of the models before it.

    Only in applications that have `begun`, that is have migrations applied: what the plan makes
    itself holds nothing yet.
    """
    judged = _Judge(connection)
    found: list[Destruction] = []
    for migration, backwards in plan:
        name = f"{migration.app_label}.{migration.name}"
        if migration.app_label not in begun:
            state = state if backwards else migration.mutate_state(state)
            continue
        if backwards:
            whats = list(_unapplied(migration))
        else:
            whats = list(judged.applied(migration, state.clone()))
            state = migration.mutate_state(state)
        found += [Destruction(name, what) for what in whats]
    return found


class _Judge:
    """Judges migrations in the order in which they are applied."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        # Made by the plan itself: models, and fields of models.
        self.made: set[tuple[str, ...]] = set()

    def applied(self, migration: Migration, state: ProjectState) -> Iterator[str]:
        app = migration.app_label
        for operation in migration.operations:
            before = state.clone()
            operation.state_forwards(app, state)
            for inner in flattened([operation]):
                what = self._judged(migration, inner, before)
                if what is not None:
                    yield what

    def _judged(
        self, migration: Migration, operation: Operation, state: ProjectState
    ) -> str | None:
        app = migration.app_label
        if isinstance(operation, CreateModel):
            self.made.add((app, operation.name_lower))
        elif isinstance(operation, AddField):
            self.made.add((app, operation.model_name_lower, operation.name_lower))
        elif isinstance(operation, DeleteModel):
            return self._unless_made(operation, app, operation.name_lower)
        elif isinstance(operation, RemoveField):
            model, name = operation.model_name_lower, operation.name_lower
            if self._has_column(state, app, model, name):
                return self._unless_made(operation, app, model, name)
        elif isinstance(operation, AlterField):
            return self._narrowed(operation, app, state)
        elif isinstance(operation, RunSQL):
            return _destroying_sql(statements_of(operation))
        elif isinstance(operation, RunPython) and not (
            operation.reverse_code or one_way_reason(migration)
        ):
            return f"{operation.describe()} without reverse_code, and not declared irreversible"
        return None

    def _unless_made(self, operation: Operation, *names: str) -> str | None:
        if names in self.made or names[:2] in self.made:
            return None
        return operation.describe()

    def _has_column(self, state: ProjectState, app: str, model: str, name: str) -> bool:
        field = state.apps.get_model(app, model)._meta.get_field(name)
        return bool(getattr(field, "column", None) or field.many_to_many)

    def _narrowed(self, operation: AlterField, app: str, state: ProjectState) -> str | None:
        model, name = operation.model_name_lower, operation.name_lower
        if (app, model) in self.made or (app, model, name) in self.made:
            return None
        old, new = types_around(operation, app, state, self.connection)
        return f"{operation.describe()}: {old} becomes {new}" if narrows(old, new) else None


def types_around(
    operation: AlterField, app: str, state: ProjectState, connection: BaseDatabaseWrapper
) -> tuple[str, str]:
    """The column's type before and after; `None` in letters where there is no column."""
    after = state.clone()
    operation.state_forwards(app, after)
    model, name = operation.model_name_lower, operation.name_lower
    old, new = (
        str(which.apps.get_model(app, model)._meta.get_field(name).db_type(connection))
        for which in (state, after)
    )
    return old, new


def unclear(migration: Migration) -> Iterator[str]:
    """What may destroy data or not, and no text tells which."""
    for operation in flattened(migration.operations):
        if is_code(operation):
            yield operation.describe()
        elif isinstance(operation, RunSQL):
            yield from (f"SQL: {s[:80]}" for s in single_statements(operation) if _overwrites(s))


def _overwrites(statement: str) -> bool:
    return _OVERWRITES.match(statement) is not None


def _unapplied(migration: Migration) -> Iterator[str]:
    """What a migration destroys that is taken back."""
    for operation in flattened(migration.operations):
        if isinstance(operation, CreateModel | AddField):
            yield f"unapplies: {operation.describe()}"
        elif isinstance(operation, RunSQL) and operation.reverse_sql is not None:
            # sql-reviewed: only read here, to see what it would destroy; nothing runs it.
            back = RunSQL(operation.reverse_sql)
            what = _destroying_sql(statements_of(back))
            if what is not None:
                yield what


def _destroying_sql(statements: Iterator[str]) -> str | None:
    for statement in statements:
        if _DESTROYS.search(bare(statement)) is not None:
            line = " ".join(statement.split())
            return f"SQL that destroys: {line[:80]}"
    return None


def narrows(old: str, new: str) -> bool:
    """Whether values of one type may not fit, or not mean the same, in another."""
    old, new = (_plain(kind) for kind in (old, new))
    if old == new or new == "text" or "None" in (old, new):
        return False
    sizes = [re.fullmatch(r"(varchar|char|numeric)\((\d+)(?:, ?(\d+))?\)", k) for k in (old, new)]
    before, after = sizes
    if before is not None and after is not None and before[1] == after[1]:
        scale_before, scale_after = int(before[3] or 0), int(after[3] or 0)
        whole_before, whole_after = int(before[2]) - scale_before, int(after[2]) - scale_after
        return whole_after < whole_before or scale_after < scale_before
    if before is not None and before[1] != "numeric" and new == "varchar":
        return False
    for order in _WIDER:
        if old in order and new in order:
            return order.index(new) < order.index(old)
    return True


def _plain(kind: str) -> str:
    kind = re.sub(r"\b(big|small)?serial\b", r"\1int", kind)
    return {"int": "integer", "bigint": "bigint", "smallint": "smallint"}.get(kind, kind)
