"""What migrations make by SQL of their own, which no model can say."""

import re
from collections.abc import Iterable, Iterator, Sequence

from django.db.migrations.migration import Migration
from django.db.migrations.operations import RunSQL, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation


def flattened(operations: Iterable[Operation]) -> Iterator[Operation]:
    """The operations that reach the database, out of their wrappings."""
    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from flattened(operation.database_operations)
        else:
            yield operation


def statements_of(operation: RunSQL) -> Iterator[str]:
    """The SQL texts of an operation, forwards."""
    yield from _texts(operation.sql)


def _texts(sql: object) -> Iterator[str]:
    if isinstance(sql, str):
        yield sql
    elif isinstance(sql, Sequence):
        for part in sql:
            # A statement with its parameters is a pair.
            yield from _texts(part if isinstance(part, str) else part[0])


class Declared:
    """The names that occur in the SQL of the project's migrations."""

    def __init__(self, migrations: Iterable[Migration]) -> None:
        self._statements = [
            set(re.findall(r"[A-Za-z_][A-Za-z0-9_$]*", text))
            for migration in migrations
            for operation in flattened(migration.operations)
            if isinstance(operation, RunSQL)
            for text in statements_of(operation)
        ]

    def names(self, *names: str) -> bool:
        """Whether one statement names all of these."""
        return any(statement.issuperset(names) for statement in self._statements)
