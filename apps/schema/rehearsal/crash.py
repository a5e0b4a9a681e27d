"""A crash in the middle: the migration's backend is killed, and the migration is run again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import psycopg
from django.db.migrations import Migration
from django.db.migrations.state import ProjectState

from apps.schema.rehearsal.faults import fault_of
from apps.schema.rehearsal.forward import Stage
from apps.schema.rehearsal.observe import SESSION, refuses_transaction, verb_of
from apps.schema.rehearsal.structure import Structure, read_structure


@dataclass(frozen=True)
class Crash:
    """What a crash left, and which tables the whole migration concerns.

    `touched` are tables whose rows need to be kept for comparison, `restructured` those whose
    structure changes. `error` is set when the migration failed by itself.
    """

    touched: frozenset[int] = frozenset()
    restructured: frozenset[int] = frozenset()
    left: tuple[str, ...] = ()
    rerun_error: str | None = None
    error: str | None = None
    killed: bool = False

    @property
    def only_invalid_index(self) -> bool:
        """What every index made concurrently may leave: it is dropped, and the run repeated."""
        return bool(self.left) and all(line.endswith(" invalid") for line in self.left)

    @property
    def leaves_half(self) -> bool:
        return self.rerun_error is not None and not self.only_invalid_index


class _Killed(Exception):
    """The backend was ended on purpose."""


def _process(stage: Stage) -> int:
    return int(cast("psycopg.Connection", stage.connection.connection).info.backend_pid)


def crash_atomic(
    stage: Stage, migration: Migration, state: ProjectState, before: Structure
) -> Crash:
    """Kill the backend when all is done but the commit: nothing may be left.

    The transaction that is lost tells which tables the migration concerns.
    """
    inside: list[Structure] = []

    def kill() -> None:
        with stage.connection.cursor() as cursor:
            inside.append(read_structure(cursor))
        stage.watch.kill(_process(stage))
        raise _Killed

    try:
        stage.run(migration, state, before, before_commit=kill)
    except _Killed:
        pass
    except Exception as error:  # whatever a migration's own code raises
        return Crash(error=fault_of(error))
    finally:
        stage.connection.close()
    return Crash(
        touched=frozenset(stage.seen.touched | _narrowed(before, inside[0])),
        restructured=frozenset(stage.seen.restructured),
        left=_left(stage, before),
        killed=True,
    )


def _narrowed(before: Structure, after: Structure) -> set[int]:
    """Tables that lost a column."""
    found = set()
    for oid, table in before.tables.items():
        now = after.tables.get(oid)
        if now is None or {c.number for c in table.columns} - {c.number for c in now.columns}:
            found.add(oid)
    return found


def _left(stage: Stage, before: Structure) -> tuple[str, ...]:
    with stage.connection.cursor() as cursor:
        return tuple(before.different(read_structure(cursor)))


@dataclass
class _Killer:
    """An execute wrapper that kills before the second statement that matters.

    What runs concurrently is killed in its middle.
    """

    stage: Stage
    changed: bool = field(default=False, init=False)
    done: bool = field(default=False, init=False)

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        statement = str(sql)
        verb = verb_of(statement)
        if self.done or verb in SESSION:
            return execute(sql, params, many, context)
        process = _process(self.stage)
        if self.changed:
            self.done = True
            self.stage.watch.kill(process)
        elif refuses_transaction(statement) and verb == "create":
            self.done = True
            with self.stage.watch.killing_in_the_middle(process):
                return execute(sql, params, many, context)
        self.changed = verb not in ("select", "with")
        return execute(sql, params, many, context)


def crash_step_by_step(
    stage: Stage, migration: Migration, state: ProjectState, before: Structure
) -> Crash:
    """Kill a migration that commits as it goes, then run it again; on a copy of its own."""
    killer = _Killer(stage)
    error = _failure(stage, migration, state, before, killer)
    touched, restructured = set(stage.seen.touched), set(stage.seen.restructured)
    left = _left(stage, before)
    if error is not None and not killer.done:
        return Crash(left=left, error=error)
    rerun_error = None
    if killer.done:
        rerun_error = _failure(stage, migration, state, before)
        touched |= stage.seen.touched
        restructured |= stage.seen.restructured
    with stage.connection.cursor() as cursor:
        touched |= _narrowed(before, read_structure(cursor))
    return Crash(frozenset(touched), frozenset(restructured), left, rerun_error, killed=killer.done)


def _failure(
    stage: Stage,
    migration: Migration,
    state: ProjectState,
    before: Structure,
    killer: _Killer | None = None,
) -> str | None:
    """The error that the run ends with, or None."""
    try:
        stage.run(migration, state, before, around=killer)
    except Exception as error:  # whatever a migration's own code raises
        return fault_of(error)
    finally:
        stage.connection.close()
    return None
