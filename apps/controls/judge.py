"""Runs controls on one connection inside a safety budget: nothing they do can hurt the server."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from apps.controls.control import (
    CannotSee,
    Control,
    Finding,
    Kind,
    NotApplicable,
    Scope,
    State,
    Verdict,
)
from apps.controls.inspection import Inspection, Target, one_line, sqlstate_of
from apps.database.facts.errors import NoAnswer
from apps.database.redaction import redact

logger = logging.getLogger(__name__)

LOCKED, CANCELLED, DENIED = "55P03", "57014", "42501"


@dataclass(frozen=True)
class Budget:
    """How much a run may cost the judged server, and how long it may take."""

    lock_milliseconds: int = 250
    # Many controls may meet the same locked table: after so much waiting nobody waits any more.
    all_locks_milliseconds: int = 1000
    impatient_milliseconds: int = 10
    statement_milliseconds: int = 5000
    control_seconds: float = 15.0
    total_seconds: float = 60.0


class SpentError(Exception):
    """A control asked another question after its time was over."""


@dataclass
class Spending:
    """What a run has spent of its budget; a wrapper of every statement of its controls."""

    budget: Budget
    deadline: float
    control_deadline: float = 0.0
    lock_milliseconds: int = 0
    locks_waited: float = 0.0

    def begin(self) -> None:
        """The next control's time begins; how long it may wait depends on those before."""
        now = time.monotonic()
        self.control_deadline = min(now + self.budget.control_seconds, self.deadline)
        spent = self.locks_waited * 1000 >= self.budget.all_locks_milliseconds
        self.lock_milliseconds = (
            self.budget.impatient_milliseconds if spent else self.budget.lock_milliseconds
        )

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        started = time.monotonic()
        if started > self.control_deadline:
            raise SpentError
        try:
            return execute(sql, params, many, context)
        except DatabaseError as error:
            if sqlstate_of(error) == LOCKED:
                self.locks_waited += time.monotonic() - started
            raise


def judge(
    controls: Iterable[Control],
    target: Target,
    connection: BaseDatabaseWrapper,
    *,
    active: bool,
    budget: Budget | None = None,
) -> Iterator[Verdict]:
    """The verdict of each control, in order. A control that cannot see costs itself an *unknown*.

    `connection` is the auditor's, in autocommit mode. Active controls are judged only with
    `active`, and those of the application only on the project's own database; otherwise they are
    *unknown*.
    """
    budget = budget or Budget()
    spending = Spending(budget, time.monotonic() + budget.total_seconds)
    for control in controls:
        started = time.perf_counter()
        if time.monotonic() > spending.deadline:
            verdict = _unknown(control, f"The budget of {budget.total_seconds:g} s was spent.")
        elif control.scope is Scope.APPLICATION and not target.own:
            verdict = _unknown(control, "It judges a project together with its own database only.")
        elif control.kind is Kind.ACTIVE and not active:
            verdict = _unknown(control, "An active control; it runs elsewhere only with --active.")
        else:
            verdict = _judge_one(control, target, connection, spending)
        yield replace(verdict, duration_ms=(time.perf_counter() - started) * 1000)


def _judge_one(
    control: Control, target: Target, connection: BaseDatabaseWrapper, spending: Spending
) -> Verdict:
    inspection: Inspection | None = None

    def unknown(reason: str) -> Verdict:
        return _verdict(control, State.UNKNOWN, reason, (), inspection)

    try:
        with _read_only(connection, spending) as cursor:
            inspection = Inspection(target, connection, cursor)
            for sight in control.sees:
                sight(inspection)
            findings = _signed(control.judge(inspection), control)
    except NotApplicable as answer:
        if answer.reason not in control.not_applicable:
            return _unknown(control, f"{answer.reason!r} is no declared reason of {control.id}.")
        reason = control.not_applicable[answer.reason]
        return _verdict(control, State.NOT_APPLICABLE, reason, (), inspection)
    except CannotSee as answer:
        return unknown(_reason(answer))
    except NoAnswer as answer:
        return unknown(str(answer))
    except SpentError:
        return unknown(f"It took longer than {spending.budget.control_seconds:g} s.")
    except DatabaseError as error:
        return unknown(_database_reason(error, spending))
    except Exception as error:
        # A defect in a control must not end the assessment, nor be taken for a pass.
        logger.exception("Control %s broke", control.id)
        return unknown(f"The control broke: {error!r}")
    return _verdict(control, State.FAIL if findings else State.PASS, None, findings, inspection)


def _signed(findings: Iterable[Finding], control: Control) -> tuple[Finding, ...]:
    """The findings in an order that two runs share."""
    signed = [replace(f, control=control.id, detail=redact(f.detail)) for f in findings]
    return tuple(sorted(signed, key=lambda f: (f.subject, f.title, f.detail)))


@contextmanager
def _read_only(connection: BaseDatabaseWrapper, spending: Spending) -> Iterator[CursorWrapper]:
    """A read-only transaction with time-outs; always rolled back, the connection kept usable."""
    if connection.connection is not None and connection.connection.closed:
        # The server ended the session during the control before; this one gets a new session.
        connection.close()
    connection.ensure_connection()
    spending.begin()
    statement = f"{spending.budget.statement_milliseconds}ms"
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            cursor.execute(
                "SELECT pg_catalog.set_config('lock_timeout', %s, true),"
                " pg_catalog.set_config('statement_timeout', %s, true)",
                [f"{spending.lock_milliseconds}ms", statement],
            )
            with connection.execute_wrapper(spending):
                yield cursor
        finally:
            if connection.connection is not None and not connection.connection.closed:
                cursor.execute("ROLLBACK")


def _database_reason(error: DatabaseError, spending: Spending) -> str:
    state = sqlstate_of(error)
    if state == LOCKED:
        return f"A lock was not given within {spending.lock_milliseconds} ms: {one_line(error)}"
    if state == CANCELLED:
        return f"A statement took longer than {spending.budget.statement_milliseconds} ms."
    if state == DENIED:
        return f"The role may not look: {one_line(error)}"
    return one_line(error)


def _reason(answer: CannotSee) -> str:
    return f"{answer.reason} {answer.remedy}".strip()


def _unknown(control: Control, reason: str) -> Verdict:
    return _verdict(control, State.UNKNOWN, reason, (), None)


def _verdict(
    control: Control,
    state: State,
    reason: str | None,
    findings: tuple[Finding, ...],
    inspection: Inspection | None,
) -> Verdict:
    return Verdict(
        control=control.id,
        risk=control.risk,
        title=control.title,
        state=state,
        reason=None if reason is None else redact(reason),
        findings=findings,
        evidence={} if inspection is None else inspection.evidence,
    )
