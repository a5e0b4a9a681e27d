"""What the models want of the database: tables, columns, keys, indexes and constraints.

Django's own schema editor writes the statements; here they are read, never run.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BaseConstraint, Model

from apps.schema.statements import Definition, Unreadable, index_definition, read_exclusion

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
_INTEGERS = ("integer", "bigint", "smallint")


@dataclass(frozen=True)
class Column:
    """A column as a field wants it; SQL texts are complete, with their parameters filled in."""

    name: str
    type: str
    not_null: bool
    default: str | None
    generated: str | None
    stored: bool
    identity: bool
    collation: str | None
    comment: str | None
    # Types that are as good.
    other_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Made:
    """What the schema editor made; it is written only where a difference is told."""

    made: object

    @property
    def statement(self) -> str:
        return str(self.made)


@dataclass(frozen=True)
class Key(_Made):
    """A primary or unique key; without a name Django chose it, and any name will do."""

    name: str | None
    columns: tuple[str, ...]
    primary: bool
    deferrable: bool = False
    deferred: bool = False
    nulls_not_distinct: bool = False


@dataclass(frozen=True)
class ForeignKey(_Made):
    """A foreign key; `to_table` is a model's db_table."""

    column: str
    to_table: str
    to_column: str


@dataclass(frozen=True)
class Check(_Made):
    """A check constraint, or the check that a field's type brings along (without a name)."""

    name: str | None
    expression: str


@dataclass(frozen=True)
class Index(_Made):
    """An index or an exclusion constraint; None where its statement cannot be read."""

    name: str | None
    definition: Definition | None


@dataclass
class Table:
    """All that one model wants."""

    model: type[Model]
    comment: str | None
    columns: dict[str, Column] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    exclusions: list[Index] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.model._meta.db_table


def managed_models(connection: BaseDatabaseWrapper, alias: str) -> list[type[Model]]:
    """The models whose tables migrations make in this database, by table."""
    found = {
        model._meta.db_table: model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.can_migrate(connection) and router.allow_migrate_model(alias, model)
    }
    return [found[table] for table in sorted(found)]


def other_tables() -> set[str]:
    """Tables that belong to the project and to no managed model."""
    unmanaged = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    cache = "django.core.cache.backends.db.DatabaseCache"
    caches = {
        str(entry.get("LOCATION"))
        for entry in settings.CACHES.values()
        if entry["BACKEND"] == cache
    }
    return unmanaged | caches | {"django_migrations"}


def expected_table(connection: BaseDatabaseWrapper, model: type[Model]) -> Table:
    """What the model wants. `connection` must be open: values are quoted as it would."""
    editor: Any = connection.SchemaEditorClass(connection, collect_sql=True)
    editor.deferred_sql = []
    table = Table(model, model._meta.db_table_comment or None)
    for wanted in model._meta.local_concrete_fields:
        # As the schema editor asks: a generated column has its type from its output field.
        parameters = wanted.db_parameters(connection)
        column = _column(connection, editor, wanted, parameters)
        table.columns[column.name] = column
        _add_field(table, editor, wanted, parameters["check"])
    _add_composite_key(table)
    for names in model._meta.unique_together:
        fields: list[Any] = [model._meta.get_field(name) for name in names]
        columns = tuple(str(wanted.column) for wanted in fields)
        unique = editor._create_unique_sql(model, fields)
        table.keys.append(Key(unique, None, columns, primary=False))
    for index in model._meta.indexes:
        table.indexes.append(_index(index.name, index.create_sql(model, editor)))
    for constraint in model._meta.constraints:
        _add_constraint(table, editor, constraint)
    return table


def _column(
    connection: BaseDatabaseWrapper, editor: Any, wanted: Any, parameters: Mapping[str, Any]
) -> Column:
    generated = None
    if wanted.generated:
        generated = _filled(editor, *wanted.generated_sql(connection))
    return Column(
        name=str(wanted.column),
        type=catalog_name(parameters["type"] or ""),
        # Django gives a generated column no NOT NULL, whatever its output field says.
        not_null=bool(wanted.primary_key or not (wanted.null or wanted.generated)),
        default=_filled(editor, *editor.db_default_sql(wanted))
        if wanted.has_db_default()
        else None,
        generated=generated,
        stored=bool(getattr(wanted, "db_persist", False)),
        identity="IDENTITY" in (wanted.db_type_suffix(connection) or ""),
        collation=parameters.get("collation") or None,
        comment=wanted.db_comment or None,
        # In a migration the table of a many-to-many field counts as DEFAULT_AUTO_FIELD says, in
        # the models as the application's configuration says.
        other_types=_INTEGERS if wanted.primary_key and wanted.model._meta.auto_created else (),
    )


def _filled(editor: Any, sql: str, parameters: Iterable[Any]) -> str:
    """A statement with its parameters as literals."""
    values = tuple(editor.quote_value(value) for value in parameters)
    return sql % values if values else sql.replace("%%", "%")


def _add_field(table: Table, editor: Any, wanted: Any, check: str | None) -> None:
    """The key, the check, the foreign key and the indexes that a field brings along."""
    model, column = table.model, str(wanted.column)
    if wanted.primary_key or wanted.unique:
        kind = "PRIMARY KEY" if wanted.primary_key else "UNIQUE"
        statement = f'ALTER TABLE {editor.quote_name(table.name)} ADD {kind} ("{column}")'
        table.keys.append(Key(statement, None, (column,), wanted.primary_key))
    if check:
        statement = f"ALTER TABLE {editor.quote_name(table.name)} ADD CHECK ({check})"
        table.checks.append(Check(statement, None, str(check)))
    if wanted.remote_field and getattr(wanted, "db_constraint", False):
        target = wanted.target_field
        made = editor._create_fk_sql(model, wanted, "_fk_%(to_table)s_%(to_column)s")
        foreign = ForeignKey(made, column, target.model._meta.db_table, str(target.column))
        table.foreign_keys.append(foreign)
    for made in editor._field_indexes_sql(model, wanted):
        table.indexes.append(_index(None, made))


def _add_composite_key(table: Table) -> None:
    key = table.model._meta.pk
    if isinstance(key, models.CompositePrimaryKey):
        quoted = ", ".join(f'"{column}"' for column in key.columns)
        statement = f'ALTER TABLE "{table.name}" ADD PRIMARY KEY ({quoted})'
        table.keys.append(Key(statement, None, tuple(key.columns), primary=True))


def _index(name: str | None, made: object) -> Index:
    try:
        return Index(made, name, index_definition(made))
    except Unreadable:
        # A class of somebody else's: its presence is judged by its name.
        return Index(made, name, None)


def _add_constraint(table: Table, editor: Any, constraint: BaseConstraint) -> None:
    made: Any = constraint.create_sql(table.model, editor)
    if made is None:
        return
    if isinstance(constraint, models.CheckConstraint):
        table.checks.append(Check(made, constraint.name, str(made.parts["check"])))
    elif isinstance(constraint, ExclusionConstraint):
        try:
            found = Index(made, constraint.name, read_exclusion(str(made)))
        except Unreadable:
            found = Index(made, constraint.name, None)
        table.exclusions.append(found)
    elif isinstance(constraint, models.UniqueConstraint):
        _add_unique(table, constraint, made)
    else:
        table.exclusions.append(Index(made, constraint.name, None))


def _add_unique(table: Table, constraint: models.UniqueConstraint, made: Any) -> None:
    if str(getattr(made, "template", made)).startswith("CREATE"):
        table.indexes.append(_index(constraint.name, made))
        return
    fields: list[Any] = [table.model._meta.get_field(name) for name in constraint.fields]
    columns = tuple(str(wanted.column) for wanted in fields)
    table.keys.append(
        Key(
            made,
            constraint.name,
            columns,
            primary=False,
            deferrable=constraint.deferrable is not None,
            deferred=constraint.deferrable is models.Deferrable.DEFERRED,
            nulls_not_distinct=constraint.nulls_distinct is False,
        )
    )


@cache
def catalog_name(django_type: str) -> str:
    """Django's name of a type as format_type prints it, such as `character varying(200)`."""
    name, dimensions = re.subn(r"\[\d*\]", "", django_type)
    name = re.sub(r" COLLATE .*$", "", name)
    for pattern, replacement in _CATALOG_NAMES:
        name = re.sub(pattern, replacement, name)
    # The catalog keeps no number of dimensions.
    return f"{name}[]" if dimensions else name


def tables(connection: BaseDatabaseWrapper, alias: str) -> Iterator[Table]:
    """What every managed model wants of this database, by table."""
    for model in managed_models(connection, alias):
        yield expected_table(connection, model)
