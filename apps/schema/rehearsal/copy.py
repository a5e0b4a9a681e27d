"""The scratch copy: restored from a backup, dumped from the live database, or built empty."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper
from django.db.migrations.executor import MigrationExecutor
from psycopg.sql import SQL, Identifier

from apps.backups.catalogue import Backup, backups
from apps.backups.encryption import KeyProblem
from apps.backups.opening import open_backup
from apps.backups.tools import (
    TIMEOUT_SECONDS,
    Running,
    ToolError,
    connection_arguments,
    fitting,
    installed_tools,
    needs_tls,
    run,
)
from apps.database.connection import open_wrapper
from apps.schema.rehearsal.faults import one_line
from apps.schema.rehearsal.live import PATIENCE_SECONDS, Live
from apps.schema.rehearsal.place import CannotRehearse, Place, standing_in
from config.commands import manage
from config.database import DatabaseEntry

DENIED = "42501"


@dataclass(frozen=True)
class Source:
    """What the copy is made of: `empty`, `live` or `backup`, and then the backup's sidecar."""

    kind: str
    backup: Backup | None = None


def chosen_source(*, empty: bool, live: bool, backup: str | None, database: str) -> Source:
    """The source that was asked for; without a word the newest backup, or else the live one."""
    found = backups(database)
    if empty or live:
        return Source("empty" if empty else "live")
    if backup is None:
        return Source("backup", found[-1]) if found else Source("live")
    for one in backups():
        if one.name == backup:
            return Source("backup", one)
    raise CannotRehearse(
        f"There is no complete backup {backup!r}; expected one of: {manage('listbackups')}"
    )


def make_copy(place: Place, source: Source, entry: DatabaseEntry, live: Live) -> str:
    """A scratch database with the source's content; its name. Raises CannotRehearse."""
    name = place.create()
    try:
        if source.kind == "empty":
            _build(place, name, live.applied)
        elif source.backup is None:
            _dump_and_restore(place, name, entry, live)
        else:
            _restore_backup(place, name, source.backup, live)
    except (ToolError, KeyProblem, DatabaseError, OSError) as error:
        raise CannotRehearse(f"The copy could not be made: {one_line(error)}") from None
    _analyze(place, name)
    return name


def _analyze(place: Place, name: str) -> None:
    """Give the planner what it has on the real server, so that durations are like there."""
    entry = place.admin_entry(name)
    with closing(open_wrapper(entry)) as connection, connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _build(place: Place, name: str, applied: Iterable[tuple[str, str]]) -> None:
    """Apply the migrations that the live database has, without rows."""
    with standing_in(place.entry(name)) as connection:
        executor = MigrationExecutor(connection)
        wanted = set(applied)
        plan = [
            (migration, backwards)
            for migration, backwards in executor.migration_plan(executor.loader.graph.leaf_nodes())
            if (migration.app_label, migration.name) in wanted
        ]
        executor.recorder.ensure_schema()
        state = executor.loader.project_state([])
        for migration, _ in plan:
            state = executor.apply_migration(state, migration)


def _dump_and_restore(place: Place, name: str, entry: DatabaseEntry, live: Live) -> None:
    tools = fitting(installed_tools(), live.major, needs_tls=needs_tls(entry))
    command = [str(tools.folder / "pg_dump"), "--format=custom", "--compress=0"]
    command += [f"--lock-wait-timeout={PATIENCE_SECONDS * 1000}", "--no-comments"]
    command += connection_arguments(entry)
    try:
        with Running(command, entry, timeout_seconds=TIMEOUT_SECONDS, stdout=True) as dump:
            _restore(place, name, dump, live)
    except ToolError as error:
        # pg_dump takes its locks under a statement_timeout of that length.
        if "canceling statement due to" not in str(error):
            raise
        raise CannotRehearse(
            f"The copy could not be made: for {PATIENCE_SECONDS} s another session held a table of "
            "the real database exclusively. Try again, or take a backup: --from-backup NAME"
        ) from None


def _restore_backup(place: Place, name: str, backup: Backup, live: Live) -> None:
    with open_backup(backup) as plain:
        _restore(place, name, plain, live)


def _restore(place: Place, name: str, dump: Any, live: Live) -> None:
    """Restore as the administrator, because some extensions want one, into the owner's hands."""
    admin = place.admin_entry(name)
    tools = fitting(installed_tools(), live.major, needs_tls=needs_tls(admin))
    with closing(open_wrapper(admin)) as connection, connection.cursor() as cursor:
        _give_schema(cursor, str(place.owner["USER"]))
        for extension in live.extensions:
            cursor.execute(SQL("CREATE EXTENSION IF NOT EXISTS {}").format(Identifier(extension)))
    command = [str(Path(tools.folder) / "pg_restore"), "--no-owner", "--no-privileges"]
    command += ["--no-comments", f"--role={place.owner['USER']}", "--exit-on-error"]
    run([*command, *connection_arguments(admin)], admin, feed=dump)


def _give_schema(cursor: CursorWrapper, owner: str) -> None:
    try:
        cursor.execute(SQL("ALTER SCHEMA public OWNER TO {}").format(Identifier(owner)))
    except DatabaseError as error:
        # Before PostgreSQL 15 the first superuser owns it, and everybody may create there.
        if getattr(error.__cause__, "sqlstate", "") != DENIED:
            raise
