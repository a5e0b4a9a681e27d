"""Waiting for locks ends, and so does a control's time; a drill measures a whole run."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from apps.controls.assess import own_target
from apps.controls.control import Finding, Specimen, State, Verdict, control
from apps.controls.inspection import Inspection
from apps.controls.judge import Budget, judge
from apps.controls.planting import nothing
from apps.database.connection import open_wrapper
from apps.database.server import Cluster
from tests import environment

pytestmark = pytest.mark.django_db(transaction=True)

SPECIMEN = Specimen("one", nothing, nothing, nothing, "subject")
LONGER_SECONDS = 2.0


def verdicts(looks: list[Callable[[Inspection], Any]], budget: Budget) -> list[Verdict]:
    made = [
        control(f"SEC-009.{n}", "An example", specimens=(SPECIMEN,))(look)
        for n, look in enumerate(looks, 1)
    ]
    target = own_target()
    with closing(open_wrapper(target.entries["auditor"])) as connection:
        return list(judge(made, target, connection, active=False, budget=budget))


def runs(*statements: str) -> Callable[[Inspection], Any]:
    def look(inspection: Inspection) -> Iterator[Finding]:
        for statement in statements:
            inspection.cursor.execute(statement)
        return iter(())

    return look


def test_after_a_second_of_waiting_nobody_waits_for_locks_any_more(cluster: Cluster) -> None:
    look = runs("SELECT * FROM django_migrations")
    with cluster.connect(environment.DATABASE) as holder, holder.transaction():
        holder.execute("LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        found = verdicts([look] * 30, Budget())
    assert time.monotonic() - started < LONGER_SECONDS
    assert {verdict.state for verdict in found} == {State.UNKNOWN}
    assert "within 250 ms" in (found[0].reason or "")
    assert "within 10 ms" in (found[-1].reason or "")


def test_a_control_that_asks_and_asks_is_stopped_and_the_next_one_judged() -> None:
    slow = runs(*["SELECT pg_catalog.pg_sleep(0.1)"] * 50)
    first, second = verdicts([slow, runs("SELECT 1")], Budget(control_seconds=0.3))
    assert (first.state, second.state) == (State.UNKNOWN, State.PASS)
    assert "longer than 0.3 s" in (first.reason or "")
    assert first.duration_ms < 1000


def test_the_run_ends_inside_its_budget() -> None:
    slow = runs(*["SELECT pg_catalog.pg_sleep(0.1)"] * 50)
    started = time.monotonic()
    found = verdicts([slow] * 5, Budget(total_seconds=0.5))
    assert time.monotonic() - started < 1.5
    assert {verdict.state for verdict in found} == {State.UNKNOWN}
    assert "budget of 0.5 s was spent" in (found[-1].reason or "")
