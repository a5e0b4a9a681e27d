"""What migrations make by SQL of their own, which no model can say."""

import re
from collections.abc import Iterable, Iterator, Sequence

from django.apps import apps
from django.db.migrations.migration import Migration
from django.db.migrations.operations import RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation

# The homes of operations whose effect is known from their arguments.
_KNOWN = ("django.db.migrations.operations.", "django.contrib.postgres.operations")
_COMMENTS_AND_TEXTS = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_BODIES = re.compile(r"(\$\w*\$).*?\1", re.DOTALL)


def one_way_reason(migration: Migration) -> str:
    """Why there is no way back, as `irreversible` of the migration, or of its application, says.

    An application says it for migrations that others wrote. Empty when neither does.
    """
    config = apps.app_configs.get(migration.app_label)
    return str(getattr(migration, "irreversible", "") or getattr(config, "irreversible", ""))


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


def bare(statement: str) -> str:
    """The statement on one line, without comments and quoted texts."""
    return " ".join(_COMMENTS_AND_TEXTS.sub(" ", statement).split())


def single_statements(operation: RunSQL) -> Iterator[str]:
    """The bare statements of an operation, forwards, one by one; without bodies in dollars."""
    for text in statements_of(operation):
        parts = bare(_BODIES.sub(" ", text)).split(";")
        yield from (part.strip() for part in parts if part.strip())


def is_code(operation: Operation) -> bool:
    """Whether the operation is somebody's own code, which may do anything."""
    if isinstance(operation, RunPython):
        return operation.code is not RunPython.noop
    return not type(operation).__module__.startswith(_KNOWN)


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
