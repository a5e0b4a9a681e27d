"""Where the live schema is not what the models say: tables, columns, keys, indexes, constraints."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import BaseConstraint, Field, Model

from apps.database.facts.schema import (
    LiveColumn,
    LiveConstraint,
    LiveIndex,
    columns_by_table,
    constraints,
    indexes,
)
from config.commands import manage

SCHEMA = "public"
# How Django writes a type, and how the catalog does.
_CATALOG_NAMES = (
    (r"^varchar\b", "character varying"),
    (r"^char\b", "character"),
    (r"^time$", "time without time zone"),
    (r"^timestamp$", "timestamp without time zone"),
    (r", ", ","),
    (r"^(big|small)?serial$", r"\1int"),
    (r"^int$", "integer"),
)


@dataclass(frozen=True)
class Drift:
    """One difference; `expected` comes from the models, `actual` from the catalog."""

    kind: str
    subject: str
    expected: str | None
    actual: str | None
    remedy: str


@dataclass(frozen=True)
class Live:
    """The live schema, read once."""

    columns: dict[str, dict[str, LiveColumn]]
    indexes: list[LiveIndex]
    constraints: list[LiveConstraint]

    def indexes_of(self, table: str) -> list[LiveIndex]:
        return [index for index in self.indexes if index.table == table]

    def constraints_of(self, table: str) -> list[LiveConstraint]:
        return [constraint for constraint in self.constraints if constraint.table == table]


def read_live(cursor: CursorWrapper) -> Live:
    """The live schema of `public`, which everybody may see: the catalog hides no structure."""
    return Live(
        columns_by_table(cursor, SCHEMA), indexes(cursor, SCHEMA), constraints(cursor, SCHEMA)
    )


def managed_models() -> list[type[Model]]:
    """The models whose tables migrations make, by table."""
    found = {
        model._meta.db_table: model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and not model._meta.swapped
    }
    return [found[table] for table in sorted(found)]


def column_drift(connection: BaseDatabaseWrapper, live: Live) -> Iterator[Drift]:
    """Missing tables and columns, other types, other nullability, columns of no model."""
    for model in managed_models():
        table = model._meta.db_table
        if table not in live.columns:
            yield Drift("missing_table", f"{SCHEMA}.{table}", table, None, _MIGRATE)
            continue
        expected = {str(field.column): field for field in model._meta.local_concrete_fields}
        for name, field in expected.items():
            yield from _compare_column(connection, table, field, live.columns[table].get(name))
        for name in live.columns[table].keys() - expected.keys():
            actual = _described(live.columns[table][name])
            yield Drift("extra_column", f"{SCHEMA}.{table}.{name}", None, actual, _MIGRATE)


_MIGRATE = f"{manage('makemigrations')} && {manage('migrate')}"


def _compare_column(
    connection: BaseDatabaseWrapper,
    table: str,
    field: "Field[Any, Any]",
    column: LiveColumn | None,
) -> Iterator[Drift]:
    subject = f"{SCHEMA}.{table}.{field.column}"
    # As the schema editor asks: a generated column has its type from its output field.
    kind = catalog_name(field.db_parameters(connection)["type"] or "")
    # Django gives a generated column no NOT NULL, whatever its output field says.
    null = (field.null or field.generated) and not field.primary_key
    expected = f"{kind}{'' if null else ' not null'}"
    statement = f'ALTER TABLE "{table}" '
    if column is None:
        remedy = f'{statement}ADD COLUMN "{field.column}" {expected};'
        yield Drift("missing_column", subject, expected, None, remedy)
        return
    if column.type != kind:
        remedy = f'{statement}ALTER COLUMN "{field.column}" TYPE {kind};'
        yield Drift("wrong_type", subject, expected, _described(column), remedy)
    if column.not_null == null:
        verb = "DROP" if null else "SET"
        remedy = f'{statement}ALTER COLUMN "{field.column}" {verb} NOT NULL;'
        yield Drift("wrong_null", subject, expected, _described(column), remedy)


def _described(column: LiveColumn) -> str:
    return f"{column.type}{' not null' if column.not_null else ''}"


def catalog_name(django_type: str) -> str:
    """Django's name of a type as format_type prints it, such as `character varying(200)`."""
    name, array = re.subn(r"\[\d*\]$", "", django_type)
    name = re.sub(r" COLLATE .*$", "", name)
    for pattern, replacement in _CATALOG_NAMES:
        name = re.sub(pattern, replacement, name)
    return f"{name}[]" if array else name


def key_drift(live: Live) -> Iterator[Drift]:
    """Missing or invalid indexes and constraints, and constraints never validated."""
    for model in managed_models():
        if model._meta.db_table in live.columns:
            yield from _index_drift(model, live)
            yield from _field_drift(model, live)
            yield from _constraint_drift(model, live)
    for index in live.indexes:
        if not index.valid:
            remedy = f'REINDEX INDEX CONCURRENTLY "{index.name}";'
            yield Drift("invalid_index", f"{SCHEMA}.{index.name}", "valid", "invalid", remedy)
    for constraint in live.constraints:
        if not constraint.validated:
            subject = f"{SCHEMA}.{constraint.table}.{constraint.name}"
            remedy = f'ALTER TABLE "{constraint.table}" VALIDATE CONSTRAINT "{constraint.name}";'
            yield Drift("not_valid_constraint", subject, "validated", "not validated", remedy)


def _index_drift(model: type[Model], live: Live) -> Iterator[Drift]:
    table = model._meta.db_table
    names = {index.name for index in live.indexes_of(table)}
    for index in model._meta.indexes:
        if index.name not in names:
            yield _missing_index(table, index.name, str(index))


def _field_drift(model: type[Model], live: Live) -> Iterator[Drift]:
    """Fields that ask for a key or an index of their own; its name is Django's affair."""
    table = model._meta.db_table
    serving = [index for index in live.indexes_of(table) if index.valid and not index.partial]
    keys = [set(c.columns) for c in live.constraints_of(table) if c.kind == "f"]
    for field in model._meta.local_concrete_fields:
        column = str(field.column)
        leading = [index for index in serving if index.columns[0] == column]
        unique = [index for index in leading if index.unique and len(index.columns) == 1]
        if field.unique and not unique:
            yield _missing_index(table, column, f"unique ({column})")
        elif getattr(field, "db_index", False) and not leading:
            yield _missing_index(table, column, f"index ({column})")
        if getattr(field, "db_constraint", False) and {column} not in keys:
            yield _missing_constraint(table, column, f"foreign key ({column})")


def _constraint_drift(model: type[Model], live: Live) -> Iterator[Drift]:
    table = model._meta.db_table
    names = {constraint.name for constraint in live.constraints_of(table)}
    names |= {index.name for index in live.indexes_of(table)}
    for constraint in _named(model._meta.constraints):
        if constraint.name not in names:
            yield _missing_constraint(table, constraint.name, str(constraint))


def _named(found: Iterable[BaseConstraint]) -> Iterator[BaseConstraint]:
    known = (models.CheckConstraint, models.UniqueConstraint, ExclusionConstraint)
    return (constraint for constraint in found if isinstance(constraint, known))


def _missing_index(table: str, name: str, expected: str) -> Drift:
    subject = f"{SCHEMA}.{table}.{name}"
    return Drift("missing_index", subject, expected, None, _REMAKE.format(table=table))


def _missing_constraint(table: str, name: str, expected: str) -> Drift:
    subject = f"{SCHEMA}.{table}.{name}"
    return Drift("missing_constraint", subject, expected, None, _REMAKE.format(table=table))


_REMAKE = (
    f"Find the migration that made it ({manage('sqlmigrate APP NAME')}), and run its "
    'statement for "{table}" again as the owner.'
)
