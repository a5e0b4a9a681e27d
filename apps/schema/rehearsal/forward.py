"""One migration, run through Django's own executor on the scratch database under observation."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState

from apps.schema.rehearsal.limit import LIMIT_SECONDS, limited
from apps.schema.rehearsal.observe import Observation, Observer
from apps.schema.rehearsal.sessions import Watch
from apps.schema.rehearsal.structure import Structure

Wrapper = Callable[..., Any]


class WatchedEditor(DatabaseSchemaEditor):
    """Django's schema editor, which asks to be looked at just before it commits."""

    def __init__(self, *args: Any, before_commit: Callable[[], None], **options: Any) -> None:
        super().__init__(*args, **options)
        self.before_commit = before_commit

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            try:
                for statement in self.deferred_sql:
                    # sql-reviewed: what Django's schema editor put off until the end.
                    self.execute(statement, None)
                self.deferred_sql.clear()
                if self.atomic_migration:
                    self.before_commit()
            except BaseException as failure:
                super().__exit__(type(failure), failure, failure.__traceback__)
                raise
        super().__exit__(kind, error, traceback)


@dataclass
class Stage:
    """The scratch database with what runs migrations on it."""

    connection: BaseDatabaseWrapper
    executor: MigrationExecutor
    watch: Watch
    # How long one run of a migration may take.
    limit_seconds: float = LIMIT_SECONDS
    # What the last run saw, also when it failed.
    seen: Observation = field(default_factory=Observation)

    def run(
        self,
        migration: Migration,
        state: ProjectState,
        structure: Structure,
        *,
        backwards: bool = False,
        before_commit: Callable[[], None] = lambda: None,
        around: Wrapper | None = None,
    ) -> tuple[ProjectState, Observation]:
        """Apply or unapply the migration; the state after it, and what was seen.

        Raises what the migration raises, and DoesNotEnd.

        `around` wraps each statement from outside, `before_commit` comes after the last look.
        """
        tables = {oid: table.file_node for oid, table in structure.tables.items()}
        self.connection.ensure_connection()
        observer = Observer(self.connection, tables, self.watch, atomic=migration.atomic)
        observer.begin()
        self.seen = observer.seen

        def end() -> None:
            observer.finish()
            before_commit()

        act = self.executor.unapply_migration if backwards else self.executor.apply_migration
        started = time.perf_counter()
        with (
            limited(self.limit_seconds, migration),
            _editor(self.connection, end),
            self._wrapped(observer, around),
        ):
            after = act(state.clone(), migration)
        observer.seen.seconds = time.perf_counter() - started
        return after, observer.seen

    @contextmanager
    def _wrapped(self, observer: Observer, around: Wrapper | None) -> Iterator[None]:
        with ExitStack() as stack:
            # The first wrapper is the outermost.
            if around is not None:
                stack.enter_context(self.connection.execute_wrapper(around))
            stack.enter_context(self.connection.execute_wrapper(observer))
            yield


@contextmanager
def _editor(connection: BaseDatabaseWrapper, before_commit: Callable[[], None]) -> Iterator[None]:
    connection.SchemaEditorClass = partial(  # type: ignore[assignment]
        WatchedEditor, before_commit=before_commit
    )
    try:
        yield
    finally:
        del connection.SchemaEditorClass
