"""Which operations break the code of before, so far as their text tells."""

import re
from collections.abc import Iterator

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.migration import Migration
from django.db.migrations.operations import (
    AddField,
    AlterField,
    DeleteModel,
    RemoveField,
    RenameField,
    RenameModel,
    RunSQL,
)
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import Field

from apps.schema.declared import flattened, is_code, single_statements
from apps.schema.destructive import narrows, types_around

# SQL after which the models of before read and write as ever.
_HARMLESS = re.compile(
    r"(?:SELECT|VALUES|INSERT|UPDATE|DELETE|COMMENT|ANALYZE|SET|RESET|CREATE\s+INDEX|CREATE\s+TABLE"
    r"|CREATE\s+EXTENSION|CREATE\s+STATISTICS|DROP\s+INDEX)\b",
    re.IGNORECASE,
)


def breaking(
    connection: BaseDatabaseWrapper, migration: Migration, before: ProjectState
) -> Iterator[str]:
    """What the models of before cannot do after the migration; the connection knows the types."""
    for operation in flattened(migration.operations):
        why = _why(connection, operation, migration.app_label, before)
        if why:
            yield f"{operation.describe()}: {why}"


def unclear(migration: Migration) -> Iterator[str]:
    """What may break old code or not, and no text tells which."""
    for operation in flattened(migration.operations):
        if is_code(operation):
            yield operation.describe()
        elif isinstance(operation, RunSQL):
            unknown = (s for s in single_statements(operation) if not _HARMLESS.match(s))
            yield from (f"SQL: {statement[:80]}" for statement in unknown)


def _why(
    connection: BaseDatabaseWrapper, operation: Operation, app: str, before: ProjectState
) -> str | None:
    if isinstance(operation, RemoveField | DeleteModel | RenameField | RenameModel):
        return "takes away a name that old code asks for"
    if isinstance(operation, AddField):
        known = (app, operation.model_name_lower) in before.models
        if known and _needs_a_value(operation.field):
            return "wants a value that old code does not give"
    elif isinstance(operation, AlterField):
        model = before.models.get((app, operation.model_name_lower))
        old = None if model is None else model.fields.get(operation.name)
        if old is None:
            return None
        if old.null and not operation.field.null and not old.has_default():
            return "refuses the NULL that old code may write"
        kinds = types_around(operation, app, before, connection)
        if narrows(*kinds):
            return f"refuses values that old code may write: {kinds[0]} becomes {kinds[1]}"
    return None


def _needs_a_value(field: "Field[object, object]") -> bool:
    return not (field.null or field.has_db_default() or field.generated or field.many_to_many)
