"""What changed since each control was judged last."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.controls.changes import Recorded, changes
from apps.controls.control import Finding, Level, State, Verdict
from apps.database.server import Cluster
from tests import environment

THEN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def verdict(state: State, *subjects: str, detail: str = "detail") -> Verdict:
    findings = tuple(Finding(Level.ERROR, "Wrong", s, detail, "remedy") for s in subjects)
    return Verdict("PERF-002.1", "PERF-002", "Title", state, None, findings)


def recorded(state: State, *subjects: str) -> dict[str, Recorded]:
    return {"PERF-002.1": Recorded(state, tuple((s, "Wrong") for s in subjects), THEN)}


def test_the_same_again_is_no_change_even_when_numbers_differ() -> None:
    now = verdict(State.FAIL, "a", detail="waited 7 s")
    assert changes([now], recorded(State.FAIL, "a")) == ()
    assert changes([verdict(State.UNKNOWN)], recorded(State.UNKNOWN)) == ()


def test_a_state_that_changed_and_findings_that_came_and_went_are_told() -> None:
    (change,) = changes([verdict(State.FAIL, "a", "b")], recorded(State.FAIL, "b", "c"))
    assert (change.new, change.gone) == ((("a", "Wrong"),), (("c", "Wrong"),))
    assert change.as_json()["before"] == change.as_json()["after"] == "fail"
    (change,) = changes([verdict(State.UNKNOWN)], recorded(State.FAIL, "a"))
    assert (change.before, change.after) == (State.FAIL, State.UNKNOWN)
    assert change.assessed_at == THEN


def test_a_control_that_was_never_judged_is_new() -> None:
    (change,) = changes([verdict(State.PASS)], {})
    assert change.as_json() == {
        "control": "PERF-002.1",
        "before": None,
        "after": "pass",
        "new": [],
        "gone": [],
        "assessed_at": None,
    }


@pytest.fixture
def no_evidence_left(cluster: Cluster) -> Iterator[None]:
    yield
    with cluster.connect(environment.DATABASE) as owner:
        owner.execute("TRUNCATE controls_verdict, controls_assessment")


def assess(*arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    arguments = ("--control", "PERF-002.1", "--fail-on", "never", "--format", "json", *arguments)
    call_command("assess", *arguments, stdout=out)
    report: dict[str, Any] = json.loads(out.getvalue())
    return report


@pytest.mark.django_db(transaction=True)
def test_since_last_compares_with_what_was_recorded(
    cluster: Cluster, no_evidence_left: None
) -> None:
    (first,) = assess("--since", "last")["changes"]
    assert (first["before"], first["after"]) == (None, "pass")
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("CREATE TABLE public.since_parent (id int PRIMARY KEY)")
        admin.execute("CREATE TABLE public.since_child (a int REFERENCES public.since_parent)")
        try:
            (worse,) = assess("--since", "last")["changes"]
            assert (worse["before"], worse["after"]) == ("pass", "fail")
            assert [new["subject"] for new in worse["new"]] == ["public.since_child.a"]
            assert assess("--since", "last")["changes"] == []
            assert assess()["changes"] is None
        finally:
            admin.execute("DROP TABLE public.since_child, public.since_parent")
    (better,) = assess("--since", "last", "--no-record")["changes"]
    assert [gone["subject"] for gone in better["gone"]] == ["public.since_child.a"]
    out = io.StringIO()
    call_command(
        *("assess", "--control", "PERF-002.1", "--since", "last", "--no-record"), stdout=out
    )
    assert "Since the last assessment:" in out.getvalue()
    assert "FAIL → pass" in out.getvalue()
    assert "- public.since_child.a" in out.getvalue()


@pytest.mark.django_db
def test_since_last_needs_a_database_that_is_recorded(cluster: Cluster) -> None:
    with pytest.raises(CommandError, match="nothing is recorded about a database") as refusal:
        call_command(
            *("assess", "--since", "last", "--database-url", cluster.address(database="postgres")),
            stdout=io.StringIO(),
            stderr=io.StringIO(),
        )
    assert refusal.value.returncode == 3
