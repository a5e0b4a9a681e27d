"""The static half: what the text of migrations shows, before anything is executed.

Squawk reads the SQL that Django would send, and django-safe-migrations the operations that send no
SQL of their own; docs/decisions/0011 has the comparison on our corpus.
"""

import importlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import AlterField, Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from apps.database.connection import role_entry
from apps.database.embedded import scratch_cluster
from apps.database.server import SUPERUSER
from apps.schema.declared import one_way_reason
from apps.schema.rehearsal.place import standing_in
from apps.schema.rehearsal.remedies import flat
from config.database import DatabaseEntry
from config.env import BASE_DIR

# Questions of taste, and what the guarded migrate does for every statement.
TASTE = (
    *("prefer-text-field", "prefer-bigint-over-int", "prefer-bigint-over-smallint"),
    *("prefer-robust-stmts", "prefer-identity"),
    *("require-lock-timeout", "require-statement-timeout", "ban-drop-default"),
)
# What only operations show: no way back, schema and rows together, a broken graph, bad RunSQL.
OPERATION_RULES = (
    *("SM007", "SM012", "SM016", "SM018", "SM024", "SM027", "SM033", "SM038", "SM040", "SM042"),
    *("SM048", "SM049", "SM050"),
)
NO_WAY_BACK = ("SM007", "SM016")
SQUAWK_SECONDS = 60


class CannotLint(Exception):
    """A linter is not there or broke; the message is one sentence."""


@dataclass(frozen=True)
class Lint:
    """One complaint about one migration."""

    app: str
    name: str
    rule: str
    source: str
    message: str
    remedy: str


def lint(labels: Iterable[str] = ()) -> list[Lint]:
    """The complaints about the project's own migrations, or those of the applications named."""
    loader = MigrationLoader(None)
    wanted = set(labels) or _own_labels()
    keys = [key for key in _in_order(loader) if key[0] in wanted]
    found: list[Lint] = []
    sql: dict[tuple[str, str], str] = {}
    states: dict[tuple[str, str], ProjectState] = {}
    with _server() as connection:
        for key in keys:
            migration = loader.get_migration(*key)
            states[key] = loader.project_state(key, at_end=False)
            sql[key] = _sql_of(connection, migration, states[key])
            found += _operations(migration)
    for key, complaints in _squawk(sql, loader).items():
        quiet = _quiet_rules(loader.get_migration(*key), states[key])
        found += [complaint for complaint in complaints if complaint.rule not in quiet]
    return sorted(found, key=lambda one: (one.app, one.name, one.rule))


def _own_labels() -> set[str]:
    """Applications whose files are the project's."""
    return {
        config.label
        for config in apps.get_app_configs()
        if Path(config.path).is_relative_to(BASE_DIR)
        and "site-packages" not in Path(config.path).parts
    }


def _in_order(loader: MigrationLoader) -> list[tuple[str, str]]:
    keys: dict[tuple[str, str], None] = {}
    for leaf in loader.graph.leaf_nodes():
        keys |= dict.fromkeys(loader.graph.forwards_plan(leaf))
    return list(keys)


@contextmanager
def _server() -> Iterator[BaseDatabaseWrapper]:
    """A server that Django may ask while it writes SQL; the project's own need not be there."""
    with scratch_cluster() as cluster:
        entry = role_entry("owner")
        entry |= {
            "HOST": str(cluster.socket_folder),
            "PORT": "",
            "NAME": "postgres",
            "USER": SUPERUSER,
            "PASSWORD": cluster.superuser_password(),
        }
        with standing_in(DatabaseEntry(entry)) as connection:
            yield connection


def _sql_of(connection: BaseDatabaseWrapper, migration: Migration, state: ProjectState) -> str:
    """What sqlmigrate prints."""
    with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
        migration.apply(state.clone(), editor, collect_sql=True)
    return "\n".join(editor.collected_sql)


def _squawk(
    sql: dict[tuple[str, str], str], loader: MigrationLoader
) -> dict[tuple[str, str], list[Lint]]:
    """Squawk's complaints by migration; one process for all files of a kind."""
    found: dict[tuple[str, str], list[Lint]] = {}
    with tempfile.TemporaryDirectory(prefix="holdfast-lint-") as folder:
        files: dict[Path, tuple[str, str]] = {}
        for key, text in sql.items():
            path = Path(folder) / f"{key[0]}.{key[1]}.sql"
            path.write_text(text, encoding="utf-8")
            files[path] = key
        for atomic in (True, False):
            paths = [p for p, key in files.items() if loader.get_migration(*key).atomic is atomic]
            for said in _run_squawk(paths, atomic=atomic):
                app, name = files[Path(said["file"])]
                rule, message = str(said["rule_name"]), str(said["message"])
                one = Lint(app, name, rule, "squawk", message, str(said.get("help") or ""))
                complaints = found.setdefault((app, name), [])
                if one not in complaints:
                    complaints.append(one)
    return found


def _run_squawk(paths: list[Path], *, atomic: bool) -> list[dict[str, Any]]:
    if not paths:
        return []
    program = shutil.which("squawk", path=str(Path(sys.executable).parent)) or shutil.which(
        "squawk"
    )
    if program is None:
        raise CannotLint("squawk is not installed; it is for development: make lint")
    command = [program, "--reporter", "json", *(f"--exclude={rule}" for rule in TASTE)]
    command += ["--assume-in-transaction"] if atomic else []
    answer = subprocess.run(
        [*command, *map(str, paths)], capture_output=True, text=True, timeout=SQUAWK_SECONDS
    )
    try:
        return list(json.loads(answer.stdout or "[]"))
    except ValueError:
        raise CannotLint(f"squawk: {answer.stderr.strip()[:200]}") from None


def _operations(migration: Migration) -> Iterator[Lint]:
    """What the operations show and their SQL does not; a declared one-way road is no complaint."""
    try:
        library = importlib.import_module("django_safe_migrations.analyzer")
    except ModuleNotFoundError:
        raise CannotLint(
            "django-safe-migrations is not installed; it is for development: make lint"
        ) from None
    declared = bool(one_way_reason(migration))
    for issue in library.MigrationAnalyzer(db_vendor="postgresql").analyze_migration(migration):
        if issue.rule_id not in OPERATION_RULES or (declared and issue.rule_id in NO_WAY_BACK):
            continue
        yield Lint(
            migration.app_label,
            migration.name,
            issue.rule_id,
            "django-safe-migrations",
            issue.message,
            issue.suggestion or "",
        )


def _quiet_rules(migration: Migration, before: ProjectState) -> set[str]:
    """Rules that the state before the migration proves to be beside the point."""
    changes = [op for op in flat(migration) if isinstance(op, AlterField)]
    quiet = set()
    if changes and all(_only_widens(op, before, migration.app_label) for op in changes):
        quiet.add("changing-column-type")
    if changes and all(_is_proven(op, before, migration.app_label) for op in changes):
        quiet.add("adding-not-nullable-field")
    return quiet


def _only_widens(operation: AlterField, before: ProjectState, app: str) -> bool:
    """A longer varchar, or a text without length, rewrites nothing."""
    old = before.models[app, operation.model_name_lower].fields.get(operation.name)
    new = operation.field
    if not isinstance(old, models.CharField) or not isinstance(
        new, models.CharField | models.TextField
    ):
        return False
    longest = new.max_length if isinstance(new, models.CharField) else None
    return longest is None or longest >= (old.max_length or 0)


def _is_proven(operation: AlterField, before: ProjectState, app: str) -> bool:
    """A check constraint says already that the column is filled."""
    proof = models.Q(**{f"{operation.name}__isnull": False})
    constraints = before.models[app, operation.model_name_lower].options.get("constraints", [])
    return any(getattr(constraint, "condition", None) == proof for constraint in constraints)
