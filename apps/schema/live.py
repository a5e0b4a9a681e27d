"""The live schema, read once, and what a difference from it is."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.backends.utils import CursorWrapper

from apps.database.facts.schema import (
    LiveConstraint,
    LiveIndex,
    LiveTable,
    Name,
    constraints,
    indexes,
    loose_sequences,
    search_path,
    tables,
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
    """Everything in the schemas where the service looks for its tables."""

    path: list[str]
    tables: dict[Name, LiveTable]
    indexes: dict[Name, list[LiveIndex]] = field(default_factory=lambda: defaultdict(list))
    constraints: dict[Name, list[LiveConstraint]] = field(default_factory=lambda: defaultdict(list))
    loose_sequences: list[Name] = field(default_factory=list)

    def resolve(self, db_table: str) -> Name | None:
        """Schema and name of a model's table as the search path finds it; None when it is absent.

        `schema"."table` is how a model names a schema of its own.
        """
        schema, separator, name = db_table.strip('"').partition('"."')
        if separator:
            return (schema, name) if (schema, name) in self.tables else None
        for schema in self.path:
            if (schema, db_table) in self.tables:
                return schema, db_table
        return None

    def wanted_name(self, db_table: str) -> Name:
        """Where a table that is absent would be made."""
        schema, separator, name = db_table.strip('"').partition('"."')
        return (schema, name) if separator else (self.path[0] if self.path else "public", db_table)


def read_live(
    cursor: CursorWrapper, role: str | None = None, db_tables: Sequence[str] = ()
) -> Live:
    """The live schema as the role's search path shows it, and the schemas that tables name."""
    path = search_path(cursor, role)
    named = {table.strip('"').partition('"."')[0] for table in db_tables if '"."' in table}
    schemas = sorted({*path, *named})
    live = Live(path, tables(cursor, schemas), loose_sequences=loose_sequences(cursor, schemas))
    for index in indexes(cursor, schemas):
        live.indexes[index.schema, index.table].append(index)
    for constraint in constraints(cursor, schemas):
        live.constraints[constraint.schema, constraint.table].append(constraint)
    return live


def subject(name: Name, *parts: str) -> str:
    """Such as `public.shop_book.title`."""
    return ".".join((*name, *parts))


def quoted(name: Name) -> str:
    """The table's name as a statement writes it."""
    return ".".join('"{}"'.format(part.replace('"', '""')) for part in name)
