"""Migrations: the files, what `django_migrations` records, and what the models say."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.apps import apps
from django.db.backends.utils import CursorWrapper
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.exceptions import CircularDependencyError, NodeNotFoundError
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.questioner import NonInteractiveMigrationQuestioner
from django.db.migrations.state import ProjectState
from psycopg.sql import SQL, Identifier

from apps.schema.declared import Declared
from apps.schema.live import Drift, Live
from config.commands import manage

TABLE = "django_migrations"
Key = tuple[str, str]
# Why files make no graph.
NO_GRAPH = (NodeNotFoundError, CircularDependencyError)


class RecordedLoader(MigrationLoader):
    """Django's loader, told what is recorded; without a connection it would believe: nothing.

    What is recorded decides which of a squashed migration and its parts is in the plan. Raises one
    of NO_GRAPH.
    """

    def __init__(self, recorded: Iterable[Key]) -> None:
        self._recorded: dict[Key, Any] = dict.fromkeys(recorded)
        super().__init__(None)

    @property
    def applied_migrations(self) -> dict[Key, Any]:
        return self._recorded

    @applied_migrations.setter
    def applied_migrations(self, value: object) -> None:
        """The loader begins with the records of its connection, and here it has none."""


@dataclass(frozen=True)
class Files:
    """The migrations of the project; `broken` says in a sentence why they make no graph."""

    loader: MigrationLoader
    broken: str | None

    @cached_property
    def declared(self) -> Declared:
        """The names that occur in the SQL of the migrations."""
        return Declared(self.migrations.values())

    @property
    def migrations(self) -> dict[Key, Migration]:
        return dict(self.loader.disk_migrations)

    @property
    def replaced(self) -> set[Key]:
        return {key for migration in self.migrations.values() for key in migration.replaces}


def read_files() -> Files:
    """The migration files, without a look at any database."""
    loader = MigrationLoader(None, load=False)
    try:
        loader.build_graph()
    except NO_GRAPH as error:
        return Files(loader, " ".join(str(error).split()))
    return Files(loader, None)


def recorded_migrations(cursor: CursorWrapper, live: Live) -> set[Key] | None:
    """What the database says was applied; None when it has no such table."""
    name = live.resolve(TABLE)
    if name is None:
        return None
    cursor.execute(SQL("SELECT app, name FROM {}").format(Identifier(*name)))
    return {(app, migration) for app, migration in cursor.fetchall()}


def record_drift(files: Files, recorded: set[Key] | None) -> Iterator[Drift]:
    """Recorded without a file, a file without a record, and an order that cannot have been."""
    known = recorded or set()
    if recorded is None:
        yield Drift("missing_table", TABLE, TABLE, None, manage("migrate"))
    for app, name in sorted(known - files.migrations.keys() - files.replaced):
        if app in files.loader.migrated_apps:
            remedy = f"Bring the file back, or: {manage(f'migrate {app} --prune')}"
        else:
            remedy = f"Bring the application {app} back, or delete its rows from {TABLE}."
        found = f"{app}.{name} recorded, and there is no such file"
        yield Drift("migration_missing", _subject(app, name), None, found, remedy)
    if files.broken is not None:
        yield Drift("migration_graph", TABLE, "a graph", files.broken, "Bring the file back.")
        return
    yield from _graph_drift(files, known)


def _subject(app: str, name: str) -> str:
    return f"{TABLE}.{app}.{name}"


def _graph_drift(files: Files, recorded: set[Key]) -> Iterator[Drift]:
    loader = files.loader
    for app, names in sorted(loader.detect_conflicts().items()):
        found = f"more than one newest migration: {', '.join(sorted(names))}"
        remedy = manage("makemigrations --merge")
        yield Drift("migration_conflict", f"{TABLE}.{app}", "one newest migration", found, remedy)
    applied = {key for key in loader.graph.nodes if is_applied(files, key, recorded)}
    for key in sorted(loader.graph.nodes.keys() - applied):
        remedy = manage("migrate")
        yield Drift("migration_unapplied", _subject(*key), "applied", "not recorded", remedy)
    for key in sorted(applied):
        for parent in sorted(parent.key for parent in loader.graph.node_map[key].parents):
            if parent not in applied:
                found = f"recorded before {parent[0]}.{parent[1]}, which it depends on"
                remedy = f"Compare the table with: {manage('showmigrations --plan')}"
                where = _subject(*key)
                yield Drift("migration_inconsistent", where, "in order", found, remedy)


def is_applied(files: Files, key: Key, recorded: set[Key]) -> bool:
    """Whether a migration is recorded, itself or by everything that it replaces."""
    if key in recorded:
        return True
    migration = files.migrations.get(key)
    replaces = migration.replaces if migration is not None else []
    return bool(replaces) and all(
        is_applied(files, (app, name), recorded) for app, name in replaces
    )


def model_drift(files: Files) -> Iterator[Drift]:
    """What makemigrations would write: models that the migrations do not lead to."""
    if files.broken is not None or files.loader.detect_conflicts():
        return
    detector = MigrationAutodetector(
        files.loader.project_state(),
        ProjectState.from_apps(apps),
        NonInteractiveMigrationQuestioner(dry_run=True, verbosity=0),
    )
    for app, migrations in sorted(detector.changes(graph=files.loader.graph).items()):
        for migration in migrations:
            for operation in migration.operations:
                name = getattr(operation, "model_name", None) or getattr(operation, "name", "")
                where = f"{app}.{name}" if name else app
                remedy = manage(f"makemigrations {app}")
                yield Drift("model_without_migration", where, operation.describe(), None, remedy)


def graph_sentence(error: Exception) -> str:
    """Why the files make no graph, and what to do about it."""
    said = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, NodeNotFoundError):
        return f"{said}. Its file is missing: bring it back from version control."
    return f"The migrations depend on each other in a circle: {said}. Take one dependency away."


def history_problem(loader: RecordedLoader) -> str | None:
    """Why files and records make no plan, in a sentence with what to type; None when they do."""
    for app, names in sorted(loader.detect_conflicts().items()):
        return (
            f"{app} has several last migrations ({', '.join(sorted(names))}); expected one: "
            f"{manage('makemigrations --merge')}"
        )
    applied = set(known(loader))
    pending = [key for key in loader.graph.nodes if key not in applied]
    for key, parent in _out_of_order(loader, applied):
        return (
            f"{'.'.join(key)} is applied before its dependency {'.'.join(parent)}. Compare: "
            f"{manage('showmigrations --plan')}"
        )
    return newer_than_code(loader, pending) if pending else None


def known(loader: MigrationLoader) -> list[Key]:
    """The applied migrations that are in the graph: no lost file's, and none that was squashed."""
    return [key for key in loader.applied_migrations if key in loader.graph.nodes]


def _out_of_order(loader: MigrationLoader, applied: set[Key]) -> Iterator[tuple[Key, Key]]:
    """Applied migrations, each with a parent that is not."""
    for key in sorted(applied):
        for parent in sorted(node.key for node in loader.graph.node_map[key].parents):
            if parent not in applied:
                yield key, parent


def newer_than_code(loader: MigrationLoader, pending: Sequence[Key]) -> str | None:
    """A sentence when the database records what this code has no file for, and it matters.

    What a squashed migration left behind is older than every file and harms nobody. The loader
    has read the records.
    """
    replaced = {key for migration in loader.disk_migrations.values() for key in migration.replaces}
    for app, name in sorted(loader.applied_migrations):
        if (app, name) in loader.disk_migrations or (app, name) in replaced:
            continue
        if app not in loader.migrated_apps:
            continue
        newest = max((other for label, other in loader.disk_migrations if label == app), default="")
        later = _number(name) > _number(newest)
        if later or any(label == app and _number(name) >= _number(o) for label, o in pending):
            return (
                f"the database is newer than this code, or a file was deleted: it records "
                f"{app}.{name}, which has no file here; the newest of {app} is "
                f"{newest or 'none'}. Deploy "
                f"the code that has it, or, if it is gone for good: "
                f"{manage(f'migrate {app} --prune')}"
            )
    return None


def _number(name: str) -> int:
    """The number that a migration's name begins with, or that it squashes up to; 0 without one."""
    return max(map(int, re.findall(r"(?:^|_squashed_)([0-9]+)", name)), default=0)
