"""The safe way for each hazard, as Django code with the migration's own names filled in."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import models
from django.db.migrations import Migration, operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import OperationWriter

CONCURRENTLY = "from django.contrib.postgres.operations import AddIndexConcurrently"
VALIDATE = (
    "from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint"
)


def flat(migration: Migration) -> Iterator[Operation]:
    """The operations that reach the database, also those inside SeparateDatabaseAndState."""

    def unfold(found: Iterable[Operation]) -> Iterator[Operation]:
        for operation in found:
            if isinstance(operation, operations.SeparateDatabaseAndState):
                yield from unfold(operation.database_operations)
            else:
                yield operation

    return unfold(migration.operations)


def written(operation: Operation) -> str:
    """The operation as it stands in a migration file."""
    return OperationWriter(operation, indentation=0).serialize()[0].rstrip(",")


def _field(field: "models.Field[Any, Any]", **changes: Any) -> "models.Field[Any, Any]":
    copy = field.clone()
    for name, value in changes.items():
        setattr(copy, name, value)
    return copy


def _add_index(operation: operations.AddIndex, state: ProjectState, app: str) -> str:
    safe = AddIndexConcurrently(operation.model_name, operation.index)
    return f"{CONCURRENTLY}\natomic = False\n{written(safe)}"


def _index_field(app: str, model: str, column: str) -> str:
    name = f"{app}_{model}_{column}".lower()[:30]
    return (
        f"{CONCURRENTLY}\natomic = False  # in a migration of its own\n"
        f'AddIndexConcurrently("{model}", models.Index(fields=["{column}"], name="{name}"))'
    )


def _add_field(operation: operations.AddField, state: ProjectState, app: str) -> str:
    field, model, name = operation.field, operation.model_name, operation.name
    if field.remote_field is not None:
        bare = operations.AddField(model, name, _field(field, db_index=False, null=True))
        return (
            f"# 1. the column without an index\n{written(bare)}\n"
            f"# 2. the index beside the traffic\n{_index_field(app, model, name)}"
        )
    if field.unique:
        bare = operations.AddField(model, name, _field(field, _unique=False, null=True))
        return f"# 1.\n{written(bare)}\n# 2.\n{_unique(app, model, (name,))}"
    constant = field.has_default() and not callable(field.default)
    if constant:
        safe = operations.AddField(model, name, _field(field, db_default=field.default))
        return f"# The database fills the column for old code too.\n{written(safe)}"
    nullable = operations.AddField(model, name, _field(field, null=True))
    return (
        f"# 1. nullable\n{written(nullable)}\n# 2. fill it in batches, in a migration of its own\n"
        f"{_batches(app, model, name)}\n# 3. constrain\n{_not_null(app, model, name)}"
    )


def _alter_field(operation: operations.AlterField, state: ProjectState, app: str) -> str:
    model, name, field = operation.model_name, operation.name, operation.field
    old = state.models[app, operation.model_name_lower].fields.get(name)
    if old is None:
        return ""
    if field.unique and not old.unique:
        return _unique(app, model, (name,))
    if getattr(field, "db_index", False) and not getattr(old, "db_index", False):
        return _index_field(app, model, name)
    if old.null and not field.null and type(old) is type(field):
        return (
            "# First a release whose code always writes a value, then:\n"
            f"{_not_null(app, model, name)}"
        )
    new = f"{name}_new"
    added = operations.AddField(model, new, _field(field, null=True))
    return (
        f"# Expand: a second column, written by the new code beside {name}\n{written(added)}\n"
        f"# Fill it in batches, in a migration of its own\n{_batches(app, model, new)}\n"
        f"# Contract, when no code reads the old column: drop {name}, rename {new}"
    )


def _not_null(app: str, model: str, name: str) -> str:
    key = f"{app}_{model}_{name}_filled".lower()
    return (
        f'{VALIDATE}\nAddConstraintNotValid("{model}", models.CheckConstraint('
        f'condition=models.Q({name}__isnull=False), name="{key}"))\n'
        f'ValidateConstraint("{model}", "{key}")  # in the next migration\n'
        "# Then AlterField(null=False): PostgreSQL trusts the constraint and reads no row."
    )


def _unique(app: str, model: str, columns: Iterable[str], name: str = "") -> str:
    named = name or f"{app}_{model}_{'_'.join(columns)}_uniq".lower()
    table, listed = f"{app}_{model.lower()}", ", ".join(columns)
    return (
        "atomic = False  # in a migration of its own\n"
        f'migrations.RunSQL("CREATE UNIQUE INDEX CONCURRENTLY {named} ON {table} ({listed})", '
        f'"DROP INDEX CONCURRENTLY {named}")\n'
        "# then, with the operation of now as state_operations:\n"
        f'migrations.RunSQL("ALTER TABLE {table} ADD CONSTRAINT {named} "\n'
        f'    "UNIQUE USING INDEX {named}", '
        f'"ALTER TABLE {table} DROP CONSTRAINT {named}")'
    )


def _batches(app: str, model: str, name: str) -> str:
    return (
        "atomic = False\n"
        "def fill(apps, schema_editor):\n"
        f'    rows = apps.get_model("{app}", "{model}").objects.filter({name}__isnull=True)\n'
        '    while keys := list(rows.values_list("pk", flat=True)[:1000]):\n'
        f"        rows.filter(pk__in=keys).update({name}=...)\n"
        "migrations.RunPython(fill, migrations.RunPython.noop)"
    )


def _add_constraint(operation: operations.AddConstraint, state: ProjectState, app: str) -> str:
    constraint = operation.constraint
    if isinstance(constraint, models.CheckConstraint):
        safe = written(operation).replace("migrations.AddConstraint", "AddConstraintNotValid", 1)
        return (
            f"{VALIDATE}\n{safe}\n# in the next migration\n"
            f'ValidateConstraint("{operation.model_name}", "{constraint.name}")'
        )
    if isinstance(constraint, models.UniqueConstraint):
        return _unique(app, operation.model_name, constraint.fields, constraint.name)
    return ""


def _remove_field(operation: operations.RemoveField, state: ProjectState, app: str) -> str:
    field = state.models[app, operation.model_name_lower].fields.get(operation.name)
    loosen = ""
    if field is not None and not (field.null or field.many_to_many):
        loosened = operations.AlterField(
            operation.model_name, operation.name, _field(field, null=True)
        )
        loosen = f"{written(loosened)}\n"
    return (
        f"# Release 1: the model no longer has the field; the column stays\n{loosen}"
        f"migrations.SeparateDatabaseAndState(state_operations=[{written(operation)}])\n"
        f"# Release 2, after a backup that was verified: drop the column\n"
        f'migrations.RunSQL("ALTER TABLE {app}_{operation.model_name.lower()} '
        f'DROP COLUMN {operation.name}", migrations.RunSQL.noop)'
    )


def _rename_field(operation: operations.RenameField, state: ProjectState, app: str) -> str:
    field = state.models[app, operation.model_name_lower].fields[operation.old_name]
    column = field.db_column or field.get_attname()
    kept = operations.AlterField(
        operation.model_name, operation.new_name, _field(field, db_column=column)
    )
    return (
        "# Python's name changes, the column's stays\nmigrations.SeparateDatabaseAndState("
        f"state_operations=[\n{written(operation)},\n{written(kept)},\n])"
    )


def _rename_model(operation: operations.RenameModel, state: ProjectState, app: str) -> str:
    table = f"{app}_{operation.old_name_lower}"
    return (
        "# Python's name changes, the table's stays\nmigrations.SeparateDatabaseAndState("
        f"state_operations=[\n{written(operation)},\n"
        f'migrations.AlterModelTable("{operation.new_name}", "{table}"),\n])'
    )


def _delete_model(operation: operations.DeleteModel, state: ProjectState, app: str) -> str:
    return (
        "# Release 1: no code knows the model; the table stays\n"
        f"migrations.SeparateDatabaseAndState(state_operations=[{written(operation)}])\n"
        "# Release 2, after a backup that was verified: drop the table\n"
        f'migrations.RunSQL("DROP TABLE {app}_{operation.name_lower}", migrations.RunSQL.noop)'
    )


_BY_OPERATION: dict[type[Operation], Callable[..., str]] = {
    operations.AddIndex: _add_index,
    operations.AddField: _add_field,
    operations.AlterField: _alter_field,
    operations.AddConstraint: _add_constraint,
    operations.RemoveField: _remove_field,
    operations.RenameField: _rename_field,
    operations.RenameModel: _rename_model,
    operations.DeleteModel: _delete_model,
}
SPLIT = (
    "# Schema and rows in two migrations: the lock of the first is gone when the second works.\n"
    "atomic = False  # in the one that changes rows, in batches of 1000"
)
BATCHES = (
    "atomic = False\n"
    "def change(apps, schema_editor):\n"
    '    rows = apps.get_model("{app}", "{model}").objects\n'
    '    keys = list(rows.values_list("pk", flat=True))\n'
    "    for start in range(0, len(keys), 1000):\n"
    "        rows.filter(pk__in=keys[start : start + 1000]).update(...)"
)
DECLARE = (
    "# Give the way back: reverse_code of RunPython, reverse_sql of RunSQL; or say why there is\n"
    "# none:\n"
    'irreversible = "…"  # an attribute of class Migration'
)


def for_statements(statements: Iterable[str]) -> str:
    """The safe way for SQL that locks a table while it reads or writes all of it."""
    found = []
    for statement in statements:
        named = re.search(r"ADD CONSTRAINT (\S+)", statement, re.IGNORECASE)
        table = re.search(r"ALTER TABLE (\S+)", statement, re.IGNORECASE)
        if named and table:
            found.append(
                f'migrations.RunSQL("{statement} NOT VALID")\n# in the next migration\n'
                f'migrations.RunSQL("ALTER TABLE {table[1]} VALIDATE CONSTRAINT {named[1]}")'
            )
        elif re.match(r"\s*CREATE (UNIQUE )?INDEX", statement, re.IGNORECASE):
            safe = re.sub(r"INDEX", "INDEX CONCURRENTLY", statement, count=1, flags=re.IGNORECASE)
            found.append(f'atomic = False\nmigrations.RunSQL("{safe}")')
        else:
            found.append(
                f"# {statement}\n# Expand: a second column with what is wanted, filled in batches;"
                " contract when no code reads the first."
            )
    return "\n".join(dict.fromkeys(found))


def for_operations(migration: Migration, before: ProjectState) -> str:
    """The safe way for the operations that have one."""
    found = []
    for operation in flat(migration):
        # A subclass, such as AddIndexConcurrently, is the safe way already.
        remedy = _BY_OPERATION.get(type(operation))
        if remedy is not None:
            found.append(remedy(operation, before, migration.app_label))
    return "\n".join(dict.fromkeys(filter(None, found)))
