"""Runs controls on one connection inside a safety budget: nothing they do can hurt the server."""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from apps.controls.control import (
    CannotSee,
    Control,
    Finding,
    Kind,
    NotApplicable,
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
    """How much a run may cost the judged server."""

    lock_milliseconds: int = 250
    statement_milliseconds: int = 5000
    total_seconds: float = 60.0


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
    `active`; otherwise they are *unknown*.
    """
    budget = budget or Budget()
    deadline = time.monotonic() + budget.total_seconds
    for control in controls:
        started = time.perf_counter()
        if time.monotonic() > deadline:
            verdict = _unknown(control, f"The budget of {budget.total_seconds:g} s was spent.")
        elif control.kind is Kind.ACTIVE and not active:
            verdict = _unknown(control, "An active control; it runs elsewhere only with --active.")
        else:
            verdict = _judge_one(control, target, connection, budget)
        yield replace(verdict, duration_ms=(time.perf_counter() - started) * 1000)


def _judge_one(
    control: Control, target: Target, connection: BaseDatabaseWrapper, budget: Budget
) -> Verdict:
    inspection: Inspection | None = None
    try:
        with _read_only(connection, budget) as cursor:
            inspection = Inspection(target, connection, cursor)
            for sight in control.sees:
                sight(inspection)
            findings = tuple(_signed(f, control) for f in control.judge(inspection))
    except NotApplicable as answer:
        if answer.reason not in control.not_applicable:
            return _unknown(control, f"{answer.reason!r} is no declared reason of {control.id}.")
        reason = control.not_applicable[answer.reason]
        return _verdict(control, State.NOT_APPLICABLE, reason, (), inspection)
    except CannotSee as answer:
        return _verdict(control, State.UNKNOWN, _reason(answer), (), inspection)
    except NoAnswer as answer:
        return _verdict(control, State.UNKNOWN, str(answer), (), inspection)
    except DatabaseError as error:
        return _verdict(control, State.UNKNOWN, _database_reason(error, budget), (), inspection)
    except Exception as error:
        # A defect in a control must not end the assessment, nor be taken for a pass.
        logger.exception("Control %s broke", control.id)
        return _verdict(control, State.UNKNOWN, f"The control broke: {error!r}", (), inspection)
    return _verdict(control, State.FAIL if findings else State.PASS, None, findings, inspection)


def _signed(finding: Finding, control: Control) -> Finding:
    return replace(finding, control=control.id, detail=redact(finding.detail))


@contextmanager
def _read_only(connection: BaseDatabaseWrapper, budget: Budget) -> Iterator[CursorWrapper]:
    """A read-only transaction with time-outs; always rolled back, the connection kept usable."""
    if connection.connection is not None and connection.connection.closed:
        # The server ended the session during the control before; this one gets a new session.
        connection.close()
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            cursor.execute(
                "SELECT pg_catalog.set_config('lock_timeout', %s, true),"
                " pg_catalog.set_config('statement_timeout', %s, true)",
                [f"{budget.lock_milliseconds}ms", f"{budget.statement_milliseconds}ms"],
            )
            yield cursor
        finally:
            if connection.connection is not None and not connection.connection.closed:
                cursor.execute("ROLLBACK")


def _database_reason(error: DatabaseError, budget: Budget) -> str:
    state = sqlstate_of(error)
    if state == LOCKED:
        return f"A lock was not given within {budget.lock_milliseconds} ms: {one_line(error)}"
    if state == CANCELLED:
        return f"A statement took longer than {budget.statement_milliseconds} ms."
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
