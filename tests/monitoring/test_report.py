"""The whole health: who may read it, in which forms, and what turns it."""

import dataclasses
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import LazySettings
from django.core.management import CommandError, call_command, get_commands
from django.test import AsyncClient, Client
from health_check.exceptions import ServiceUnavailable, ServiceWarning

from apps.accounts.models import User
from apps.controls.control import State
from apps.database.connection import open_wrapper
from apps.database.facts.standbys import Replication
from apps.monitoring.facts import Facts, gather, look_at
from apps.monitoring.full import DiskHasRoom, Encrypted, Replicas, free_share, written_folders
from apps.monitoring.patience import Shared
from apps.monitoring.states import Unseen
from config.database import DatabaseEntry
from tests.monitoring.conftest import LeadsTo, back_up, judge
from tests.monitoring.test_health import leaks, one_migration_less
from tests.secured import Secured, entry_for, secured_server

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["one_migration_less"]

CHECKS = [
    *("database", "migrations", "tls", "replicas", "backup", "restore", "assessment"),
    *("pool", "disk"),
]
TOKEN = "plain-token-of-a-test"


def report(client: Client, **headers: str) -> tuple[int, dict[str, Any]]:
    """Status and the state of each check."""
    answer = client.get("/health/", {"format": "json"}, headers=headers)
    rows = {row["name"]: row for row in answer.json()["checks"]}
    assert list(rows) == CHECKS
    return answer.status_code, rows


def states(client: Client) -> dict[str, str]:
    """Every check that is not ok."""
    rows = report(client)[1]
    return {name: row["state"] for name, row in rows.items() if row["state"] != "ok"}


def test_all_is_ok_where_all_is_there(client: Client, healthy: None) -> None:
    status, rows = report(client)
    assert (status, {row["state"] for row in rows.values()}) == (200, {"ok"})


@pytest.mark.parametrize("role", ["app", "auditor"])
def test_either_role_sees_what_it_may(healthy: None, role: str) -> None:
    found = gather(role)
    assert found.look.pending == ()
    assert found.backups is not None
    assert found.backups.bytes == 4096
    assert found.assessed is not None
    assert found.assessed.verdicts == {("SEC-004", "pass"): 1, ("PERF-002", "pass"): 1}
    assert found.activity is not None
    assert found.activity.commits > 0
    assert found.clear_sessions == (None if role == "app" else 0)


def test_the_database_away_turns_it_and_hides_what_it_knows(
    client: Client, healthy: None, settings: LazySettings, leads_to: LeadsTo
) -> None:
    settings.DATABASE_ROLES = {}
    leads_to("/nowhere")
    status, rows = report(client)
    assert status == 503
    assert {n: r["state"] for n, r in rows.items()} == {
        **dict.fromkeys(("database", "migrations"), "broken"),
        **dict.fromkeys(("tls", "replicas", "backup", "restore", "assessment"), "unknown"),
        **dict.fromkeys(("pool", "disk"), "ok"),
    }
    assert leaks(json.dumps(rows)) == []


def test_a_waiting_migration_turns_it(
    client: Client, healthy: None, one_migration_less: None
) -> None:
    assert report(client)[0] == 503
    assert states(client) == {"migrations": "broken"}


def test_an_old_backup_turns_it(client: Client, evidence: None) -> None:
    judge(("SEC-004.1", State.PASS))
    back_up(27)
    status, rows = report(client)
    assert status == 503
    assert rows["backup"]["detail"].startswith("the last backup is 27.0 h old; expected at most 26")
    assert "dbbackup" in rows["backup"]["detail"]
    back_up(25)
    assert states(client) == {}


def test_no_backup_at_all_turns_it(client: Client, evidence: None) -> None:
    judge(("SEC-004.1", State.PASS))
    assert states(client) == {"backup": "broken", "restore": "broken"}


def test_a_backup_that_was_not_restored_lately_turns_it(client: Client, evidence: None) -> None:
    judge(("SEC-004.1", State.PASS))
    back_up(2, proven_hours=7 * 24 + 1)
    assert states(client) == {"restore": "broken"}
    back_up(1, proven_hours=7 * 24 - 1)
    assert states(client) == {}


def test_an_old_assessment_turns_it_and_a_failure_in_it_warns(
    client: Client, evidence: None
) -> None:
    back_up()
    assert states(client) == {"assessment": "broken"}
    judge(("SEC-004.1", State.PASS), hours=25)
    assert states(client) == {"assessment": "broken"}
    judge(("SEC-004.1", State.FAIL), ("SEC-004.2", State.UNKNOWN))
    status, rows = report(client)
    assert (status, rows["assessment"]["state"]) == (200, "warning")
    assert rows["assessment"]["detail"] == "1 controls fail, 1 could not see"
    judge(("SEC-004.1", State.PASS), ("SEC-004.2", State.PASS), complete=False)
    assert states(client) == {}


@pytest.fixture(scope="module")
def server() -> Iterator[Secured]:
    with secured_server() as running:
        yield running


def encrypted(server: Secured, mode: str) -> Encrypted:
    """The check, of a real session of that sslmode."""
    found = look_at(entry_for(server.address(mode=mode), ENVIRONMENT="test"))
    assert found.tls.encrypted is (mode != "disable")
    facts = Facts(found, None, None, None, None, None, None)
    return Encrypted(Shared(5, lambda: facts))


def test_a_session_in_clear_text_turns_it_in_production(
    server: Secured, settings: LazySettings
) -> None:
    clear = encrypted(server, "disable")
    for production, excepted, wrong in (
        (True, None, ServiceUnavailable),
        (True, "database.internal", ServiceWarning),
        (False, None, ServiceWarning),
    ):
        settings.PRODUCTION, settings.DATABASE_PLAINTEXT_HOST = production, excepted
        with pytest.raises(wrong, match="in clear text; see docs/tls.md"):
            clear.run()
    settings.PRODUCTION, settings.DATABASE_PLAINTEXT_HOST = True, None
    encrypted(server, "verify-full").run()


@pytest.mark.parametrize(
    ("lags", "wrong"),
    [
        ({}, None),
        ({"near": 29.0}, None),
        ({"near": 1.0, "far": 31.0}, ServiceUnavailable),
        ({"hidden": None}, Unseen),
    ],
)
def test_a_standby_far_behind_turns_it(
    lags: dict[str, float | None], wrong: type[Exception] | None
) -> None:
    facts = dataclasses.replace(gather(), replication=Replication(False, lags))
    judging = pytest.raises(wrong, match="standby") if wrong else nullcontext()
    with judging:
        Replicas(Shared(5, lambda: facts)).run()


def test_a_pool_without_room_turns_it(
    client: Client, healthy: None, settings: LazySettings
) -> None:
    """A real pool of one connection, which somebody holds, and somebody else waits for."""
    settings.DATABASE_POOL_MODE = "native"
    entry = DatabaseEntry(settings.DATABASES["default"], CONN_MAX_AGE=0)
    pool = {"min_size": 1, "max_size": 1, "timeout": 10}
    entry["OPTIONS"] = {**entry["OPTIONS"], "pool": pool}
    holder, waiter = open_wrapper(entry, "default"), open_wrapper(entry, "default")

    def wait() -> None:
        waiter.inc_thread_sharing()
        waiter.ensure_connection()
        waiter.close()

    waiting = threading.Thread(target=wait)
    holder.ensure_connection()
    try:
        assert states(client) == {}
        waiting.start()
        deadline = time.monotonic() + 5
        while states(client) != {"pool": "broken"}:
            assert time.monotonic() < deadline
        status, rows = report(client)
        assert (status, rows["pool"]["detail"]) == (
            503,
            "1 requests wait in 1 of 1 processes; see docs/pool-sizing.md",
        )
        holder.close()
        waiting.join()
        assert states(client) == {}
    finally:
        holder.close()
        holder.close_pool()


def test_a_full_disk_turns_it() -> None:
    free = min(map(free_share, written_folders()))
    DiskHasRoom(least_share=0, little_share=0).run()
    with pytest.raises(ServiceWarning, match=r"% of a disk is free; expected 100% at least"):
        DiskHasRoom(least_share=free / 2, little_share=1).run()
    with pytest.raises(ServiceUnavailable, match=r"% of a disk is free"):
        DiskHasRoom(least_share=1, little_share=1).run()


def test_the_disks_are_those_that_are_written_to(settings: LazySettings, tmp_path: Path) -> None:
    settings.RUNTIME_DIR = tmp_path / "not made yet"
    folders = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    settings.STORAGES = {
        **settings.STORAGES, "dbbackup": {**folders, "OPTIONS": {"location": str(tmp_path)}},
    }  # fmt: skip
    assert written_folders() == [tmp_path / "not made yet", tmp_path]
    assert free_share(tmp_path / "not made yet") == pytest.approx(free_share(tmp_path), abs=0.01)
    bucket = {"BACKEND": "x", "OPTIONS": {"bucket_name": "b", "location": "prefix"}}
    settings.STORAGES = {**settings.STORAGES, "dbbackup": bucket}
    assert written_folders() == [tmp_path / "not made yet"]


def test_strangers_are_refused_and_learn_nothing(client: Client, settings: LazySettings) -> None:
    settings.READING_NEEDS_LOGIN = True
    for given in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {TOKEN}"}):
        answer = client.get("/health/", headers=given)
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
        assert answer.content == b"A token is needed.\n"
    people = client.get("/health/", headers={"accept": "text/html"})
    assert people.status_code == 302
    assert people["Location"].startswith("/admin/login/?next=/health/")


def test_a_token_or_a_login_opens_it(client: Client, healthy: None, settings: LazySettings) -> None:
    settings.READING_NEEDS_LOGIN, settings.HEALTH_TOKEN = True, TOKEN
    assert client.get("/health/", headers={"authorization": f"Token {TOKEN}"}).status_code == 401
    assert client.get("/health/", headers={"authorization": f"Bearer {TOKEN}x"}).status_code == 401
    assert report(client, authorization=f"bearer {TOKEN}")[0] == 200
    client.force_login(User.objects.create_user("reader"))
    assert report(client)[0] == 200


def test_the_token_opens_it_without_a_database(
    client: Client, settings: LazySettings, leads_to: LeadsTo
) -> None:
    settings.READING_NEEDS_LOGIN, settings.HEALTH_TOKEN = True, TOKEN
    settings.DATABASE_ROLES = {}
    leads_to("/nowhere")
    assert report(client, authorization=f"Bearer {TOKEN}")[0] == 503


def test_every_form_says_the_same(client: Client, evidence: None) -> None:
    back_up(30)
    judge(("SEC-004.1", State.FAIL))
    page = client.get("/health/", headers={"accept": "text/html"})
    text = client.get("/health/?format=text")
    metrics = client.get("/health/?format=openmetrics")
    assert (page.status_code, text.status_code, metrics.status_code) == (503, 503, 200)
    assert text.content.decode().splitlines()[0] == "broken"
    assert "backup: broken, the last backup is 30.0 h old" in text.content.decode()
    assert "<h1>Health: broken</h1>" in page.content.decode()
    assert "the last backup is 30.0 h old" in page.content.decode()
    assert "style" not in page.content.decode()
    lines = metrics.content.decode().splitlines()
    assert 'django_health_check_status{check="backup"} 0' in lines
    assert 'django_health_check_status{check="tls"} 1' in lines
    assert "django_health_check_overall_status 0" in lines
    assert lines[-1] == "# EOF"


@pytest.mark.usefixtures("healthy")
def test_it_answers_on_an_event_loop_too(async_client: AsyncClient) -> None:
    answer = async_to_sync(async_client.get)("/health/?format=json")
    assert (answer.status_code, answer.json()["state"]) == (200, "ok")


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output of the command."""
    output = io.StringIO()
    try:
        call_command("health_check", *arguments, stdout=output)
    except CommandError as error:
        return error.returncode, output.getvalue()
    return 0, output.getvalue()


def test_the_command_is_ours_and_its_exit_code_says_how_it_is(
    evidence: None, settings: LazySettings, leads_to: LeadsTo
) -> None:
    assert get_commands()["health_check"] == "apps.monitoring"
    back_up()
    judge(("SEC-004.1", State.PASS))
    code, said = run()
    assert (code, [line.split()[:2] for line in said.splitlines()]) == (
        0,
        [[name, "ok"] for name in CHECKS],
    )
    judge(("SEC-004.1", State.FAIL))
    code, said = run("--format", "json")
    assert (code, json.loads(said)["state"]) == (2, "warning")
    settings.DATABASE_ROLES = {}
    leads_to("/nowhere")
    assert run("full")[0] == 1
    assert run("ready") == (
        1,
        "database     broken   no answer\nmigrations   broken   no answer\n",
    )
