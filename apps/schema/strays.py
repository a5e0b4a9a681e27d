"""What stands in the live schema, and no model, no migration and no extension accounts for it."""

from collections.abc import Iterable, Iterator

from apps.database.facts.schema import LiveConstraint, LiveIndex, LiveTable
from apps.schema.columns import described_live
from apps.schema.declared import Declared
from apps.schema.expected import Table
from apps.schema.keys import described_constraint, described_index
from apps.schema.live import Drift, Live, quoted, subject


def extra_columns(table: Table, here: LiveTable, declared: Declared) -> Iterator[Drift]:
    name = (here.schema, here.name)
    for column in here.columns.values():
        if column.name in table.columns or declared.names(here.name, column.name):
            continue
        remedy = (
            f"Add the field to {table.model._meta.label}, or drop what nobody needs: "
            f'ALTER TABLE {quoted(name)} DROP COLUMN "{column.name}";'
        )
        where = subject(name, column.name)
        yield Drift("extra_column", where, None, described_live(column), remedy)


def extra_keys(
    constraints: Iterable[LiveConstraint], indexes: Iterable[LiveIndex], declared: Declared
) -> Iterator[Drift]:
    """Constraints and indexes that the models do not know."""
    for constraint in constraints:
        name = (constraint.schema, constraint.table)
        if not declared.names(constraint.name):
            remedy = (
                "Declare it in Meta.constraints, or drop it: "
                f'ALTER TABLE {quoted(name)} DROP CONSTRAINT "{constraint.name}";'
            )
            where = subject(name, constraint.name)
            actual = described_constraint(constraint)
            yield Drift("extra_constraint", where, None, actual, remedy)
    for index in indexes:
        if not declared.names(index.name):
            remedy = (
                "Declare it in Meta.indexes, or drop it: "
                f'DROP INDEX CONCURRENTLY "{index.schema}"."{index.name}";'
            )
            where = subject((index.schema, index.table), index.name)
            yield Drift("extra_index", where, None, described_index(index), remedy)


def extra_tables(live: Live, known: Iterable[str], declared: Declared) -> Iterator[Drift]:
    """Tables of no application, and sequences that no column owns."""
    names = {live.resolve(table) for table in known}
    for name, table in live.tables.items():
        if name in names or table.foreign_made or declared.names(table.name):
            continue
        remedy = (
            "Find out whose it is; what nobody needs is dropped after a backup: "
            f"DROP TABLE {quoted(name)};"
        )
        actual = f"table with {len(table.columns)} columns"
        yield Drift("extra_table", subject(name), None, actual, remedy)
    for name in live.loose_sequences:
        if not declared.names(name[1]):
            remedy = f"Give it to its column (OWNED BY), or DROP SEQUENCE {quoted(name)};"
            yield Drift("extra_sequence", subject(name), None, "sequence of no column", remedy)


def unsound(live: Live) -> Iterator[Drift]:
    """Indexes that do not serve, and constraints that rows from before may break."""
    for indexes in live.indexes.values():
        for index in indexes:
            if not index.valid:
                remedy = f'REINDEX INDEX CONCURRENTLY "{index.schema}"."{index.name}";'
                where = subject((index.schema, index.name))
                yield Drift("invalid_index", where, "valid", "invalid", remedy)
    for constraints in live.constraints.values():
        for constraint in constraints:
            if not constraint.validated:
                name = (constraint.schema, constraint.table)
                where = subject(name, constraint.name)
                remedy = f'ALTER TABLE {quoted(name)} VALIDATE CONSTRAINT "{constraint.name}";'
                yield Drift("not_valid_constraint", where, "validated", "not validated", remedy)
