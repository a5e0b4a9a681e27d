"""Migrating under guard: one at a time, looked at before, backed up, and told how it ended."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError, connections
from django.db.migrations.exceptions import InconsistentMigrationHistory, IrreversibleError
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.signals import pre_migrate
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from apps.database.redaction import redact
from apps.schema.backup import BackupFailed, back_up
from apps.schema.destructive import destructions
from apps.schema.extensions import needs, offers, unmet
from apps.schema.history import History, planned_names
from apps.schema.models import MigrationOutcome, MigrationRun
from apps.schema.progress import Progress
from apps.schema.records import NO_GRAPH, graph_sentence, newer_than_code
from apps.schema.turn import NoTurn, Turn, ended_in_order
from config.commands import manage

LOCKED = "55P03"
# Somebody ended the session, or the server: the migration is not to blame.
LOST = ("57P01", "57P02", "57P03")
INTERRUPTED = 130
Result = MigrationOutcome.Result


class Refused(Exception):
    """Nothing was migrated; the message says why and what to type."""


@dataclass(frozen=True)
class Wishes:
    """What the command line asks of the guard; times in seconds."""

    alias: str
    lock_wait: float = 600
    lock_timeout: float = 5
    lock_retries: int = 5
    statement_timeout: float = 3600
    allow_destructive: bool = False
    no_backup: str = ""
    fake: bool = False


@dataclass
class Guard:
    """One guarded run; `tell` shows a line to the person who waits."""

    wishes: Wishes
    tell: Callable[[str], None]
    progress: Progress = field(default_factory=Progress)
    _looked: bool = False

    def __post_init__(self) -> None:
        wishes = self.wishes
        self.connection = connections[wishes.alias]
        self.turn = Turn(self.connection, wishes.lock_timeout, wishes.statement_timeout)
        self.history = History(wishes.alias)

    def note(self, action: str, migration: Migration | None) -> None:
        """The executor's progress; between two migrations the turn is kept."""
        if action in ("apply_start", "unapply_start"):
            self.turn.keep()
        self.progress.note(action, migration)

    def run(self, migrate: Callable[[], None]) -> None:
        """Wait for the turn, look at the plan, and migrate. Raises CommandError in one sentence."""
        try:
            with ended_in_order(), self._taking_turns(), self._listening():
                self._tell_killed()
                self._attempts()(migrate)
                self._end(Result.DONE)
        except (Refused, NoTurn, BackupFailed) as error:
            if self.progress.durations:
                raise self._failed(Result.FAILED, error) from error
            raise CommandError(f"Nothing was migrated: {redact(str(error))}") from None
        except KeyboardInterrupt as error:
            raise self._failed(Result.INTERRUPTED, error, INTERRUPTED) from None
        except CommandError as error:
            # Django's own refusals, such as two newest migrations, take several lines.
            said = " ".join(str(error).split())
            raise CommandError(said, returncode=error.returncode) from None
        except (*NO_GRAPH, InconsistentMigrationHistory) as error:
            raise CommandError(f"Nothing was migrated: {history_sentence(error)}") from None
        except Exception as error:
            raise self._failed(Result.FAILED, error) from error

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        self.turn.take(self.wishes.lock_wait, self.tell)
        try:
            yield
        finally:
            try:
                self.turn.give_back()
            except DatabaseError:
                # The session is gone, and the turn with it.
                self.connection.close()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Django tells the plan before it does anything."""
        pre_migrate.connect(self._look, dispatch_uid="apps.schema.guard", weak=False)
        try:
            yield
        finally:
            pre_migrate.disconnect(dispatch_uid="apps.schema.guard")

    def _look(self, *, using: str, plan: Sequence[tuple[Migration, bool]], **rest: Any) -> None:
        if using != self.wishes.alias:
            return
        self.progress.planned(plan)
        if self._looked:
            return
        self._looked = True
        loader = MigrationLoader(self.connection)
        pending = [(migration.app_label, migration.name) for migration, _ in plan]
        newer = newer_than_code(loader, pending)
        if newer and plan:
            raise Refused(newer)
        if newer:
            self.tell(newer)
        if plan:
            self._prepare(plan, loader)

    def _prepare(self, plan: Sequence[tuple[Migration, bool]], loader: MigrationLoader) -> None:
        destroyed = [] if self.wishes.fake else self._check(plan, loader)
        backup = ""
        if settings.PRODUCTION and not self.wishes.no_backup and loader.applied_migrations:
            backup = back_up(str(self.connection.settings_dict["NAME"]), self.tell)
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            (role,) = cursor.fetchone()
        self.history.begin(
            MigrationRun(
                role=role,
                plan=planned_names(self.progress),
                backwards=plan[0][1],
                backup=backup,
                no_backup_reason=self.wishes.no_backup,
                destructive=destroyed,
            )
        )

    def _check(self, plan: Sequence[tuple[Migration, bool]], loader: MigrationLoader) -> list[str]:
        """Refuse what this server cannot do, and what destroys without a word."""
        forwards = [migration for migration, backwards in plan if not backwards]
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user")
            (superuser,) = cursor.fetchone()
            lacking = list(
                unmet(needs(forwards, self.connection), offers(cursor), superuser=superuser)
            )
        if lacking:
            raise Refused(" ".join(lacking))
        begun = {app for app, _ in loader.applied_migrations}
        if not any(migration.app_label in begun for migration, _ in plan):
            return []
        # Outside production whoever goes back means it.
        if plan[0][1] and not settings.PRODUCTION:
            return []
        executor: Any = MigrationExecutor(self.connection)
        state = executor._create_project_state(with_applied_migrations=True)
        found = [str(item) for item in destructions(self.connection, plan, state, begun)]
        if found and not self.wishes.allow_destructive:
            raise Refused(
                f"data would be destroyed by {'; '.join(found)}. See what it would do: "
                f"{manage('rehearse_migrations')}. If it is meant: "
                f"{manage('migrate --allow-destructive')}"
            )
        return found

    def _tell_killed(self) -> None:
        recorded = MigrationRecorder(self.connection).applied_migrations()
        for sentence in self.history.killed_before(set(recorded)):
            self.tell(sentence)

    def _attempts(self) -> Retrying:
        """Again, when a lock was not given in time and nothing stays of the attempt."""

        def waiting(call: RetryCallState) -> None:
            name = self.progress.current
            which = f"{name.app_label}.{name.name}" if name else "the plan"
            self.tell(
                f"{which} did not get a lock within {self.wishes.lock_timeout:g} s and was rolled "
                f"back; attempt {call.attempt_number + 1} of {self.wishes.lock_retries + 1}."
            )

        return Retrying(
            retry=retry_if_exception(lambda e: _state_of(e) == LOCKED and self.progress.repeatable),
            stop=stop_after_attempt(self.wishes.lock_retries + 1),
            wait=wait_random_exponential(multiplier=0.5, max=10),
            before_sleep=waiting,
            reraise=True,
        )

    def _failed(self, result: Result, error: BaseException, returncode: int = 1) -> CommandError:
        """What is said of a run that did not end well; it is written down too."""
        what = "interrupted" if result is Result.INTERRUPTED else _error_sentence(error)
        if not self.progress.plan:
            return CommandError(f"Nothing was migrated: {redact(what)}", returncode=returncode)
        lost = _state_of(error) in LOST
        at_fault = result is not Result.INTERRUPTED and not lost
        state = redact(self.progress.state(at_fault=at_fault))
        name = self.progress.current
        who = f"{name.app_label}.{name.name}" if name else "migrate"
        self._end(result, redact(what), state)
        return CommandError(f"{who}: {redact(what)}\n{state}", returncode=returncode)

    def _end(self, result: Result, error: str = "", state: str = "") -> None:
        session = self.connection.connection
        if session is not None and session.closed:
            # The session was lost; how the run ended is written down in a new one.
            self.connection.close()
        try:
            self.history.end(self.progress, result, error, state)
        except DatabaseError as failure:
            self.history.problem = _error_sentence(failure)
        if self.history.problem:
            self.tell(f"The run was not written down: {redact(self.history.problem)}")


def _state_of(error: BaseException) -> str:
    cause = error.__cause__
    return (cause.sqlstate or "") if isinstance(cause, psycopg.Error) else ""


def _error_sentence(error: BaseException) -> str:
    if isinstance(error, IrreversibleError):
        return f"{error}; it has no way back. Restore a backup instead."
    lines = str(error).strip().splitlines()
    said = lines[0] if lines else type(error).__name__
    return said if isinstance(error, DatabaseError) else f"{type(error).__name__}: {said}"


def history_sentence(error: Exception) -> str:
    """Why files and records make no plan, and what to do about it."""
    if isinstance(error, NO_GRAPH):
        return graph_sentence(error)
    return f"{' '.join(str(error).split())} Compare: {manage('showmigrations --plan')}"
