"""What the text of pending and applied migrations says of data, old code and the way back."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import models
from django.db.backends.utils import CursorWrapper
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from apps.schema.rehearsal.remedies import flat, written

Key = tuple[str, str]
_DESTROYS = re.compile(r"\b(TRUNCATE|DELETE\s+FROM|DROP\s+(TABLE|COLUMN|SCHEMA))\b", re.IGNORECASE)
_HIDES = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)


@dataclass(frozen=True)
class Said:
    """One operation of one migration, and what is to be said of it."""

    migration: str
    operation: str
    detail: str

    @property
    def subject(self) -> str:
        return self.migration


def applied_migrations(cursor: CursorWrapper) -> set[Key]:
    """What the database records as applied."""
    cursor.execute("SELECT app, name FROM public.django_migrations")
    return {(app, name) for app, name in cursor.fetchall()}


def pending_migrations(applied: set[Key]) -> list[tuple[Migration, ProjectState]]:
    """The migrations of the files that are not applied, in order, each with the state before it."""
    loader = MigrationLoader(None)
    plan: dict[Key, None] = {}
    for leaf in loader.graph.leaf_nodes():
        plan |= dict.fromkeys(loader.graph.forwards_plan(leaf))
    done = [key for key in plan if key in applied]
    state = loader.project_state(done)
    found = []
    for key in plan:
        if key not in applied:
            migration = loader.get_migration(*key)
            found.append((migration, state))
            state = migration.mutate_state(state)
    return found


def one_way(applied: set[Key]) -> Iterator[Said]:
    """Applied migrations that cannot be taken back and do not say so."""
    files: dict[Key, Migration] = MigrationLoader(None).disk_migrations
    for key, migration in files.items():
        declared = getattr(migration, "irreversible", "")
        if declared or key not in applied:
            continue
        for operation in flat(migration):
            if not operation.reversible:
                yield _said(migration, operation, "has no way back")


def lossy(migration: Migration, before: ProjectState) -> Iterator[Said]:
    """Operations that throw away what tables hold."""
    app = migration.app_label
    for operation in flat(migration):
        if isinstance(operation, operations.RemoveField | operations.DeleteModel):
            yield _said(migration, operation, "throws away what it holds")
        elif isinstance(operation, operations.RunSQL):
            if _DESTROYS.search(_HIDES.sub(" ", str(operation.sql))):
                yield _said(migration, operation, "throws rows or columns away")
        elif isinstance(operation, operations.AlterField):
            old = _old_field(before, app, operation)
            if _shrinks(old, operation.field):
                yield _said(migration, operation, "makes room smaller than values may be")


def breaking(migration: Migration, before: ProjectState) -> Iterator[Said]:
    """Operations after which the models of before cannot read or write."""
    app = migration.app_label
    gone = (
        *(operations.RemoveField, operations.DeleteModel),
        *(operations.RenameField, operations.RenameModel),
    )
    for operation in flat(migration):
        if isinstance(operation, gone):
            yield _said(migration, operation, "takes away a name that old code asks for")
        elif isinstance(operation, operations.AddField):
            known = (app, operation.model_name_lower) in before.models
            if known and _needs_a_value(operation.field):
                yield _said(migration, operation, "wants a value that old code does not give")
        elif isinstance(operation, operations.AlterField):
            old = _old_field(before, app, operation)
            if old is not None and old.null and not operation.field.null and not old.has_default():
                yield _said(migration, operation, "refuses the NULL that old code may write")
            elif _shrinks(old, operation.field):
                yield _said(migration, operation, "refuses values that old code may write")


def _said(migration: Migration, operation: Operation, detail: str) -> Said:
    name = f"{migration.app_label}.{migration.name}"
    return Said(name, written(operation), f"{operation.describe()}: {detail}.")


def _old_field(
    before: ProjectState, app: str, operation: operations.AlterField
) -> "models.Field[object, object] | None":
    model = before.models.get((app, operation.model_name_lower))
    return None if model is None else model.fields.get(operation.name)


def _needs_a_value(field: "models.Field[object, object]") -> bool:
    return not (field.null or field.has_db_default() or field.generated or field.many_to_many)


def _shrinks(old: object, new: object) -> bool:
    if isinstance(new, models.CharField) and isinstance(old, models.CharField | models.TextField):
        longest = old.max_length if isinstance(old, models.CharField) else None
        return new.max_length is not None and (longest is None or new.max_length < longest)
    sizes = (models.SmallIntegerField, models.IntegerField, models.BigIntegerField)
    order = [_size(field, sizes) for field in (old, new)]
    return None not in order and int(order[1] or 0) < int(order[0] or 0)


def _size(field: object, sizes: tuple[type, ...]) -> int | None:
    """The place among the integer types; BigInteger and SmallInteger are subclasses of Integer."""
    for place in (2, 0, 1):
        if isinstance(field, sizes[place]):
            return place
    return None
