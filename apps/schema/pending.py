"""What is pending and what was applied, as the migration files and the records have it."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from apps.schema.declared import flattened, one_way_reason
from apps.schema.progress import label
from apps.schema.records import Key, RecordedLoader


@dataclass(frozen=True)
class Said:
    """A migration, and what is to be said of one of its operations."""

    migration: str
    detail: str


def applied_migrations(cursor: CursorWrapper) -> set[Key]:
    """What the database records as applied."""
    cursor.execute("SELECT app, name FROM public.django_migrations")
    return {(app, name) for app, name in cursor.fetchall()}


def pending_migrations(applied: set[Key]) -> list[tuple[Migration, ProjectState]]:
    """The migrations of the files that are not applied, in order, each with the state before it.

    One that was squashed out of applied ones is applied. Raises one of records.NO_GRAPH.
    """
    loader = RecordedLoader(applied)
    plan: dict[Key, None] = {}
    for leaf in loader.graph.leaf_nodes():
        plan |= dict.fromkeys(loader.graph.forwards_plan(leaf))
    state = loader.project_state([key for key in plan if key in loader.applied_migrations])
    found = []
    for key in plan:
        if key not in loader.applied_migrations:
            migration = loader.get_migration(*key)
            found.append((migration, state))
            state = migration.mutate_state(state)
    return found


def one_way(applied: set[Key]) -> Iterator[Said]:
    """Applied migrations that cannot be taken back and do not say so."""
    files: dict[Key, Migration] = MigrationLoader(None).disk_migrations
    for key, migration in files.items():
        if one_way_reason(migration) or key not in applied:
            continue
        for operation in flattened(migration.operations):
            if not operation.reversible:
                yield Said(label(migration), f"{operation.describe()}: has no way back.")
