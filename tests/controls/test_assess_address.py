"""`assess` of a database that is not the project's: any role, nothing written, nothing guessed."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections

from apps.controls.control import Scope
from apps.controls.discovery import all_controls
from apps.controls.models import Assessment
from apps.database.connection import open_wrapper
from apps.database.direct import PooledAddress
from apps.database.server import Cluster
from config.database import assessed_entry
from config.env import ConfigurationError, Environment
from config.variables import ASSESSED

pytestmark = pytest.mark.django_db(transaction=True)

DATABASE = "stranger"
SECRET = "Str4nge/plain+value"
NOBODY, WATCHER, SERVICE = "stranger_nobody", "stranger_watcher", "stranger_service"
PLATFORM = {control.id for control in all_controls() if control.scope is Scope.PLATFORM}


@pytest.fixture(scope="module")
def stranger(cluster: Cluster) -> Iterator[Cluster]:
    """A database that Holdfast never saw: a foreign key without an index, three roles."""
    with cluster.connect() as admin:
        admin.execute(f"CREATE DATABASE {DATABASE}".encode())
        for role in (NOBODY, WATCHER, SERVICE):
            admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'".encode())
        admin.execute(f"GRANT pg_monitor TO {WATCHER}".encode())
    with cluster.connect(DATABASE) as admin:
        admin.execute("CREATE TABLE parent (id int PRIMARY KEY)")
        admin.execute("CREATE TABLE child (a int REFERENCES parent)")
        admin.execute(f"ALTER TABLE child OWNER TO {SERVICE}".encode())
    yield cluster
    with cluster.connect() as admin:
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())
        for role in (NOBODY, WATCHER, SERVICE):
            admin.execute(f"DROP ROLE {role}".encode())


@dataclass
class Answer:
    """What the command said."""

    code: int
    report: dict[str, Any]
    said: str

    @property
    def states(self) -> dict[str, str]:
        return {verdict["control"]: verdict["state"] for verdict in self.report["verdicts"]}


def assess(*arguments: str) -> Answer:
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("assess", *arguments, "--format", "json", stdout=out, stderr=err)
    except CommandError as error:
        code = error.returncode
        err.write(str(error))
    report = json.loads(out.getvalue()) if out.getvalue() else {}
    return Answer(code, report, err.getvalue())


def address(cluster: Cluster, role: str) -> str:
    return cluster.address(role, SECRET, DATABASE)


def test_any_role_judges_with_what_it_sees(stranger: Cluster) -> None:
    seen = {
        role: assess("--database-url", address(stranger, role)) for role in (NOBODY, WATCHER)
    } | {"postgres": assess("--database-url", stranger.address(database=DATABASE))}
    for role, answer in seen.items():
        assert answer.report["role"] == role
        assert answer.report["database"] == DATABASE
        assert set(answer.states) == PLATFORM
        assert answer.states["PERF-002.1"] == "fail"
        assert answer.code == 1
        broken = [v for v in answer.report["verdicts"] if "broke" in (v["reason"] or "")]
        assert broken == []
    nobody, watcher = seen[NOBODY].states, seen[WATCHER].states
    assert nobody["SEC-001.3"] == "unknown"
    assert watcher["SEC-001.3"] == "pass"
    # What the weaker role does not see never turns green.
    assert {c for c in PLATFORM if watcher[c] == "fail" and nobody[c] == "pass"} == set()


def test_nothing_is_written_there_and_nothing_recorded_here(stranger: Cluster) -> None:
    def next_transaction() -> Any:
        with stranger.connect(DATABASE) as admin:
            return admin.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())").fetchone()

    # Every verdict of a writing transaction would take a number.
    before = (next_transaction(), Assessment.objects.count())
    answer = assess("--database-url", stranger.address(database=DATABASE), "--active")
    assert answer.report["assessment"] is None
    assert (next_transaction(), Assessment.objects.count()) == before


def test_the_session_may_not_write_even_outside_a_transaction(stranger: Cluster) -> None:
    entry = assessed_entry(stranger.address(database=DATABASE), "X", Environment({}))
    wrapper = open_wrapper(entry)
    with wrapper.cursor() as cursor, pytest.raises(DatabaseError, match="read-only transaction"):
        cursor.execute("CREATE TABLE written ()")
    wrapper.close()


def test_what_needs_the_service_is_unknown_until_its_role_is_named(stranger: Cluster) -> None:
    url = address(stranger, WATCHER)
    without = assess("--database-url", url, "--risk", "SEC-005").report["verdicts"]
    unnamed = {v["control"]: v for v in without if "--app-role" in (v["reason"] or "")}
    assert {"SEC-005.1", "SEC-005.2"} <= set(unnamed)
    assert {v["state"] for v in unnamed.values()} == {"unknown"}
    named = assess("--database-url", url, "--risk", "SEC-005", "--app-role", SERVICE)
    assert (named.states["SEC-005.1"], named.states["SEC-005.2"]) == ("pass", "fail")


def test_a_role_that_is_not_there_is_unknown(stranger: Cluster) -> None:
    url = address(stranger, WATCHER)
    answer = assess("--database-url", url, "--control", "SEC-005.1", "--app-role", "nobody knows")
    assert (answer.code, answer.states) == (2, {"SEC-005.1": "unknown"})


def test_with_all_scopes_what_needs_the_project_is_unknown(stranger: Cluster) -> None:
    answer = assess("--database-url", address(stranger, WATCHER), "--scope", "all")
    assert len(answer.states) == len(all_controls())
    assert {answer.states[c.id] for c in all_controls() if c.scope is Scope.APPLICATION} == {
        "unknown"
    }
    named = assess("--database-url", address(stranger, WATCHER), "--control", "TECH-005.1")
    assert (named.code, named.states) == (2, {"TECH-005.1": "unknown"})


def test_active_controls_wait_for_the_word(stranger: Cluster) -> None:
    url = address(stranger, WATCHER)
    (waiting,) = assess("--database-url", url, "--control", "SEC-004.4").report["verdicts"]
    assert (waiting["state"], "--active" in waiting["reason"]) == ("unknown", True)
    asked = assess("--database-url", url, "--control", "SEC-004.4", "--active")
    # Over a socket there is no TLS to insist on.
    assert asked.states == {"SEC-004.4": "not_applicable"}


def test_the_variable_does_the_same_and_both_are_refused(stranger: Cluster, settings: Any) -> None:
    entry = assessed_entry(address(stranger, WATCHER), ASSESSED, Environment({}))
    settings.ASSESSED_DATABASE = entry
    answer = assess("--control", "PERF-002.1")
    assert (answer.code, answer.report["role"]) == (1, WATCHER)
    assert "process list" not in answer.said
    both = assess("--database-url", address(stranger, WATCHER))
    assert both.code == 3
    assert f"--database-url and {ASSESSED} are both given" in both.said


def test_a_password_on_the_command_line_is_warned_about_and_never_shown(
    stranger: Cluster,
) -> None:
    answer = assess("--database-url", address(stranger, WATCHER), "--control", "PERF-002.1")
    assert "process list" in answer.said
    wrong = address(stranger, WATCHER).replace(quote(SECRET, safe=""), "an0ther-secret")
    refused = assess("--database-url", wrong)
    assert (refused.code, refused.report) == (3, {})
    assert "The database cannot be reached" in refused.said
    for text in (json.dumps(answer.report), answer.said, refused.said):
        assert SECRET not in text
        assert quote(SECRET, safe="") not in text
        assert "an0ther-secret" not in text


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://u:Sup3r-plain@h/d", "the scheme is mysql://"),
        ("postgresql://u:Sup3r-plain@h/d?service=x", "'service' is not allowed"),
        ("postgresql://u:Sup3r-plain@h/d?options=-c%20x", "'options' is not allowed"),
        ("postgresql://u:Sup3r-plain@h/", "the database name is missing"),
        ("postgresql:///d", "the host is missing"),
        ("postgresql://h/d", "the user is missing"),
        ("nonsense", "the scheme is none"),
    ],
)
def test_an_address_keeps_the_rules_of_every_address(url: str, message: str) -> None:
    refused = assess("--database-url", url)
    assert refused.code == 3
    assert refused.said.startswith("--database-url: ")
    assert message in refused.said
    assert "Sup3r-plain" not in refused.said


def test_production_wants_a_proven_server_for_an_address_too() -> None:
    env = Environment({"ENVIRONMENT": "production"})
    with pytest.raises(ConfigurationError, match="sslmode is 'prefer'; production expects"):
        assessed_entry("postgresql://u:p@db.example/d?sslmode=prefer", ASSESSED, env)


def test_a_pooler_is_refused_with_words_of_its_own(
    stranger: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(connection: object) -> None:
        raise PooledAddress

    monkeypatch.setattr("apps.controls.assess.require_direct", refuse)
    answer = assess("--database-url", address(stranger, WATCHER))
    assert answer.code == 3
    assert f"Give its own host and port in {ASSESSED}" in answer.said


def test_an_app_role_belongs_to_an_address(stranger: Cluster) -> None:
    own = assess("--app-role", SERVICE)
    assert (own.code, "--app-role belongs to" in own.said) == (3, True)
    for name in ("", "x" * 64):
        refused = assess("--database-url", address(stranger, WATCHER), "--app-role", name)
        assert (refused.code, "1 to 63 bytes" in refused.said) == (3, True)


def test_a_scope_that_leaves_nothing_is_refused() -> None:
    refused = assess("--control", "TECH-005.1", "--scope", "platform")
    assert refused.code == 3
    assert "TECH-005.1 needs the project" in refused.said
    own = assess("--risk", "SEC-001", "--scope", "platform", "--no-record")
    assert set(own.states) == {c for c in PLATFORM if c.startswith("SEC-001")}


def test_the_projects_own_connection_is_left_alone(stranger: Cluster) -> None:
    before = connections["default"].settings_dict["NAME"]
    assess("--database-url", address(stranger, WATCHER), "--control", "PERF-002.1")
    assert connections["default"].settings_dict["NAME"] == before
