"""Facts about the live schema: what tables, columns, indexes, constraints and sequences there are.

Everybody may read the catalog. Only an expression's text may have to wait for a table's lock:
where another session holds the table exclusively, the texts are None and the table is `locked`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.backends.utils import CursorWrapper

from apps.database.facts.questions import ask

Name = tuple[str, str]


@dataclass(frozen=True)
class LiveColumn:
    """A column as the catalog has it; `type` is format_type's, with its length.

    `default` holds the default's expression, or a generated column's; `generated` is `s` or `v`,
    `identity` is `a` or `d`, and both are empty for an ordinary column. `collation` is named only
    where it is not the type's own.
    """

    name: str
    type: str
    not_null: bool
    default: str | None
    has_default: bool
    generated: str
    identity: str
    collation: str | None
    comment: str | None


@dataclass(frozen=True)
class LiveTable:
    """A table; `foreign_made` says that an extension owns it or that it is a partition."""

    schema: str
    name: str
    comment: str | None
    foreign_made: bool
    locked: bool
    columns: dict[str, LiveColumn] = field(default_factory=dict)


@dataclass(frozen=True)
class LiveKey:
    """One key of an index: a column or an expression; an empty `opclass` is the type's default."""

    column: str | None
    expression: str | None
    opclass: str
    default_opclass: bool
    collation: str | None
    descending: bool
    nulls_first: bool


@dataclass(frozen=True)
class LiveIndex:
    """An index, and whether it serves; `constraint` names the constraint that it carries."""

    schema: str
    table: str
    name: str
    method: str
    keys: tuple[LiveKey, ...]
    include: tuple[str, ...]
    predicate: str | None
    partial: bool
    unique: bool
    nulls_not_distinct: bool
    valid: bool
    options: tuple[str, ...]
    constraint: str | None

    @property
    def columns(self) -> tuple[str | None, ...]:
        return tuple(key.column for key in self.keys)


@dataclass(frozen=True)
class LiveConstraint:
    """A constraint; `kind` is pg_constraint's letter, `validated` false after NOT VALID."""

    schema: str
    table: str
    name: str
    kind: str
    columns: tuple[str, ...]
    validated: bool
    deferrable: bool
    deferred: bool
    expression: str | None
    to_table: Name | None
    to_columns: tuple[str, ...]
    on_delete: str
    on_update: str
    operators: tuple[str, ...]


def search_path(cursor: CursorWrapper, role: str | None = None) -> list[str]:
    """The schemas where an unqualified name is looked for, in order; those that exist.

    A role's own setting counts before this session's: what the service sees is asked for.
    """
    return [row[0] for row in ask(cursor, "search_path", parameters=[role])]


def tables(cursor: CursorWrapper, schemas: Sequence[str]) -> dict[Name, LiveTable]:
    """The tables of the schemas with their columns, by schema and name."""
    rows = ask(cursor, "chosen_tables", "tables", parameters=[list(schemas)])
    found = {(row[0], row[1]): LiveTable(*row) for row in rows}
    for schema, table, *row in ask(cursor, "chosen_tables", "columns", parameters=[list(schemas)]):
        if (schema, table) in found:
            found[schema, table].columns[row[0]] = LiveColumn(*row)
    return found


def indexes(cursor: CursorWrapper, schemas: Sequence[str]) -> list[LiveIndex]:
    """Every index on the tables of the schemas, by table and name."""
    rows = ask(cursor, "chosen_tables", "indexes", parameters=[list(schemas)])
    return [_index(row) for row in rows]


def _index(row: tuple[Any, ...]) -> LiveIndex:
    schema, table, name, method, keys, include, predicate, *rest = row
    partial, unique, nulls_not_distinct, valid, options, constraint = rest
    return LiveIndex(
        schema=schema,
        table=table,
        name=name,
        method=method,
        keys=tuple(LiveKey(*key) for key in keys or ()),
        include=tuple(include),
        predicate=predicate,
        partial=partial,
        unique=unique,
        nulls_not_distinct=nulls_not_distinct,
        valid=valid,
        options=tuple(options),
        constraint=constraint,
    )


def constraints(cursor: CursorWrapper, schemas: Sequence[str]) -> list[LiveConstraint]:
    """Every constraint on the tables of the schemas, by table and name."""
    rows = ask(cursor, "chosen_tables", "constraints", parameters=[list(schemas)])
    return [_constraint(row) for row in rows]


def _constraint(row: tuple[Any, ...]) -> LiveConstraint:
    schema, table, name, kind, columns, validated, deferrable, deferred, expression, *rest = row
    to_schema, to_table, to_columns, on_delete, on_update, operators = rest
    return LiveConstraint(
        schema=schema,
        table=table,
        name=name,
        kind=kind,
        columns=tuple(columns),
        validated=validated,
        deferrable=deferrable,
        deferred=deferred,
        expression=expression,
        to_table=None if to_table is None else (to_schema, to_table),
        to_columns=tuple(to_columns),
        on_delete=on_delete.strip(),
        on_update=on_update.strip(),
        operators=tuple(operators),
    )


def loose_sequences(cursor: CursorWrapper, schemas: Sequence[str]) -> list[Name]:
    """Sequences that belong to no column and no extension, by schema and name."""
    cursor.execute(
        """
        SELECT n.nspname, c.relname
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'S' AND n.nspname = ANY(%s)
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                            AND d.deptype IN ('a', 'i', 'e'))
        ORDER BY 1, 2
        """,
        [list(schemas)],
    )
    return [(schema, name) for schema, name in cursor.fetchall()]
