"""A control's answer becomes the right verdict, and nothing that it does can hurt."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from apps.controls.assess import own_target
from apps.controls.control import (
    CannotSee,
    Finding,
    Kind,
    Level,
    NotApplicable,
    Specimen,
    State,
    Verdict,
    control,
)
from apps.controls.inspection import Inspection
from apps.controls.judge import Budget, judge
from apps.controls.planting import nothing
from apps.database.connection import open_wrapper
from apps.database.server import Cluster
from tests import environment

pytestmark = pytest.mark.django_db

SPECIMEN = Specimen("one", nothing, nothing, nothing, "subject")
FINDING = Finding(Level.ERROR, "Wrong", "subject", "detail", "remedy")
Judge = Callable[[Inspection], Any]


def verdict_of(look: Judge, **options: Any) -> Verdict:
    """The verdict of one control whose work is `look`."""
    active = options.pop("active", True)
    budget = options.pop("budget", None)
    made = control("SEC-009.1", "An example", specimens=(SPECIMEN,), **options)(look)
    target = own_target()
    with closing(open_wrapper(target.entries["auditor"])) as connection:
        return next(judge([made], target, connection, active=active, budget=budget))


def finds(*findings: Finding) -> Judge:
    return lambda inspection: iter(findings)


def raises(error: Exception) -> Judge:
    def look(inspection: Inspection) -> Iterator[Finding]:
        raise error

    return look


def runs(statement: str) -> Judge:
    def look(inspection: Inspection) -> Iterator[Finding]:
        inspection.cursor.execute(statement)
        return iter(())

    return look


def test_silence_is_a_pass_and_a_finding_a_failure() -> None:
    assert verdict_of(finds()).state is State.PASS
    failed = verdict_of(finds(FINDING))
    assert failed.state is State.FAIL
    assert failed.findings[0].control == "SEC-009.1"


def test_what_cannot_be_seen_is_unknown_with_the_remedy() -> None:
    verdict = verdict_of(raises(CannotSee("No sight.", "GRANT it;")))
    assert (verdict.state, verdict.reason) == (State.UNKNOWN, "No sight. GRANT it;")


def test_not_applicable_needs_a_declared_reason() -> None:
    declared = verdict_of(raises(NotApplicable("local")), not_applicable={"local": "It is local."})
    assert (declared.state, declared.reason) == (State.NOT_APPLICABLE, "It is local.")
    made_up = verdict_of(raises(NotApplicable("because")), not_applicable={"local": "It is local."})
    assert made_up.state is State.UNKNOWN
    assert "no declared reason" in (made_up.reason or "")


def test_a_broken_control_is_unknown_and_the_next_one_is_judged() -> None:
    made = [
        control(f"SEC-009.{n}", "An example", specimens=(SPECIMEN,))(look)
        for n, look in enumerate((raises(ZeroDivisionError("oops")), runs("SELEC"), finds()), 1)
    ]
    target = own_target()
    with closing(open_wrapper(target.entries["auditor"])) as connection:
        verdicts = list(judge(made, target, connection, active=True))
    assert [verdict.state for verdict in verdicts] == [State.UNKNOWN, State.UNKNOWN, State.PASS]
    assert "ZeroDivisionError" in (verdicts[0].reason or "")
    assert "syntax error" in (verdicts[1].reason or "")


def test_a_passive_control_cannot_write() -> None:
    verdict = verdict_of(runs("CREATE TEMPORARY TABLE t ()"))
    assert verdict.state is State.UNKNOWN
    assert "read-only transaction" in (verdict.reason or "") or "may not" in (verdict.reason or "")


def test_a_locked_table_costs_one_control_an_unknown(cluster: Cluster) -> None:
    with cluster.connect(environment.DATABASE) as holder, holder.transaction():
        holder.execute("LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE")
        verdict = verdict_of(runs("SELECT * FROM django_migrations"))
    assert verdict.state is State.UNKNOWN
    assert "lock was not given within 250 ms" in (verdict.reason or "")
    assert verdict.duration_ms < 2000


def test_a_slow_statement_is_cancelled() -> None:
    verdict = verdict_of(runs("SELECT pg_sleep(10)"), budget=Budget(statement_milliseconds=100))
    assert (verdict.state, verdict.duration_ms < 2000) == (State.UNKNOWN, True)
    assert "longer than 100 ms" in (verdict.reason or "")


def test_a_lost_session_costs_one_control_only(cluster: Cluster) -> None:
    def die(inspection: Inspection) -> Iterator[Finding]:
        inspection.cursor.execute("SELECT pg_backend_pid()")
        (pid,) = inspection.cursor.fetchone()
        with cluster.connect() as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", [pid])
        inspection.cursor.execute("SELECT 1")
        yield FINDING

    made = [
        control(f"SEC-009.{n}", "An example", specimens=(SPECIMEN,))(look)
        for n, look in enumerate((die, finds()), 1)
    ]
    target = own_target()
    with closing(open_wrapper(target.entries["auditor"])) as connection:
        verdicts = list(judge(made, target, connection, active=True))
    assert [verdict.state for verdict in verdicts] == [State.UNKNOWN, State.PASS]


def test_a_spent_budget_makes_the_rest_unknown() -> None:
    verdict = verdict_of(finds(), budget=Budget(total_seconds=-1))
    assert verdict.state is State.UNKNOWN
    assert "budget" in (verdict.reason or "")


def test_an_active_control_waits_to_be_asked() -> None:
    assert verdict_of(finds(), kind=Kind.ACTIVE, active=False).state is State.UNKNOWN
    assert verdict_of(finds(), kind=Kind.ACTIVE, active=True).state is State.PASS


def test_an_attempt_is_made_as_app_and_rolled_back(cluster: Cluster) -> None:
    states: list[str | None] = []

    def try_things(inspection: Inspection) -> Iterator[Finding]:
        states.append(inspection.attempt("CREATE TABLE public.denied ()"))
        states.append(
            inspection.attempt(
                "INSERT INTO django_session VALUES ('attempt', '', pg_catalog.now())"
            )
        )
        return iter(())

    assert verdict_of(try_things, kind=Kind.ACTIVE).state is State.PASS
    assert states == ["42501", None]
    with cluster.connect(environment.DATABASE) as admin:
        left = admin.execute("SELECT 1 FROM django_session WHERE session_key = 'attempt'")
        assert left.fetchone() is None


def test_a_secret_in_a_finding_is_redacted() -> None:
    secret = environment.roles.app.password
    leaking = Finding(Level.ERROR, "Wrong", "subject", f"it is {secret}", "remedy")
    assert secret not in str(verdict_of(finds(leaking)))
    assert secret not in str(verdict_of(raises(psycopg.OperationalError(f"bad {secret}"))))
