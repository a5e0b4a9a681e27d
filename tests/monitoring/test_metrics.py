"""What is counted is what happened; who may read it; and what it costs the database."""

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import LazySettings
from django.contrib.auth import authenticate
from django.db import DatabaseError, connection, transaction
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from prometheus_client.parser import text_string_to_metric_families

from apps.accounts.models import User
from apps.controls.control import State
from apps.controls.discovery import all_controls
from apps.database.connection import acting_as, open_wrapper
from apps.database.redaction import redact
from apps.database.refusals import UnprovenServer
from apps.database.retries import read_again, serializable
from apps.monitoring import collector
from apps.monitoring.collector import KEPT_SECONDS, FactsCollector
from apps.monitoring.metrics import failure_class, note_answer
from apps.schema.models import MigrationOutcome, MigrationRun
from config.database import DatabaseEntry
from config.env import Environment
from config.tokens import networks
from tests.monitoring.conftest import LeadsTo, back_up, judge
from tests.monitoring.test_health import leaks
from tests.programs import require_program

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "plain-token-of-a-test"
Samples = dict[str, float]


@pytest.fixture(autouse=True)
def asks_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another test saw of the database is not kept for this one."""
    monkeypatch.setattr(collector, "KEPT_SECONDS", -1.0)


@pytest.fixture
def scrape(client: Client) -> Callable[[], Samples]:
    """All samples by name and labels."""

    def ask() -> Samples:
        answer = client.get("/metrics")
        assert answer.status_code == 200
        return samples(answer.content.decode())

    return ask


def samples(text: str) -> Samples:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name.removeprefix('holdfast_')}{{{labels}}}"] = sample.value
    return found


class Increase:
    """How much each sample grew since the last look."""

    def __init__(self, scrape: Callable[[], Samples]) -> None:
        self.scrape = scrape
        self.before = scrape()

    def __call__(self, name: str) -> float:
        return self.scrape().get(name, 0) - self.before.get(name, 0)


@pytest.fixture
def increase(scrape: Callable[[], Samples]) -> Increase:
    return Increase(scrape)


def test_promtool_finds_nothing_to_say(client: Client, healthy: None) -> None:
    client.get("/nowhere/")
    program = require_program("promtool", "prometheus")
    answer = subprocess.run(
        [program, "check", "metrics"],
        input=client.get("/metrics").content,
        capture_output=True,
        timeout=60,
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, b"", b"")


def test_promtool_would_find_something(client: Client) -> None:
    program = require_program("promtool", "prometheus")
    wrong = b"# HELP wrong_ms x\n# TYPE wrong_ms counter\nwrong_ms 1\n"
    answer = subprocess.run([program, "check", "metrics"], input=wrong, capture_output=True)
    assert answer.returncode == 3


def test_statements_are_timed_by_kind(increase: Increase) -> None:
    User.objects.create_user("reader")
    User.objects.filter(username="reader").update(username="other")
    list(User.objects.all())
    User.objects.all().delete()
    for kind in ("select", "insert", "update", "delete"):
        assert increase(f"query_seconds_count{{alias=default,kind={kind}}}") >= 1, kind
    assert increase("query_seconds_count{alias=other,kind=insert}") == 0


def test_a_slow_statement_counts_as_slow(increase: Increase, settings: LazySettings) -> None:
    settings.SLOW_QUERY_SECONDS = 0.2
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert increase("slow_queries_total{alias=default}") == 0
        cursor.execute("SELECT pg_catalog.pg_sleep(0.25)")
    assert increase("slow_queries_total{alias=default}") == 1


@pytest.mark.parametrize(
    ("statement", "state", "reason"),
    [
        ("SELEC 1", "42", "syntax"),
        ("CREATE TABLE forbidden ()", "42", "privilege"),
        ("SELECT 1/0", "22", None),
        ("INSERT INTO accounts_user (id) VALUES (NULL)", "23", None),
    ],
)
def test_errors_are_told_by_class_and_probing_by_its_reason(
    increase: Increase, statement: str, state: str, reason: str | None
) -> None:
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute(statement)
    assert increase(f"database_errors_total{{alias=default,sqlstate={state}}}") == 1
    for known in ("syntax", "privilege"):
        expected = 1 if known == reason else 0
        assert increase(f"refused_statements_total{{reason={known}}}") == expected


def test_transactions_are_told_by_their_end(increase: Increase) -> None:
    with transaction.atomic():
        User.objects.count()
    with transaction.atomic():
        User.objects.count()
        transaction.set_rollback(True)
    assert increase("transaction_seconds_count{alias=default,end=commit}") == 1
    assert increase("transaction_seconds_count{alias=default,end=rollback}") == 1
    assert increase("transaction_seconds_count{alias=default,end=failed}") == 0


def test_a_commit_that_is_lost_is_a_failed_transaction(increase: Increase) -> None:
    @transaction.atomic
    def loses_its_session() -> None:
        User.objects.count()
        assert connection.connection is not None
        connection.connection.close()

    with pytest.raises(DatabaseError):
        loses_its_session()
    connection.close()
    assert increase("transaction_seconds_count{alias=default,end=commit}") == 0


def test_retries_are_counted(increase: Increase, settings: LazySettings) -> None:
    left = [2]

    @serializable(retries=3)
    def meets_others() -> None:
        with connection.cursor() as cursor:
            if left[0]:
                left[0] -= 1
                cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'met' USING ERRCODE = '40001'; END $$")

    meets_others()
    assert increase("retries_total{what=serializable}") == 2

    @read_again
    def reads() -> None:
        if left[0] < 1:
            left[0] += 1
            connection.ensure_connection()
            assert connection.connection is not None
            connection.connection.close()
        User.objects.count()

    reads()
    assert increase("retries_total{what=read}") == 1


def test_connecting_is_timed_and_its_failures_have_a_class(
    increase: Increase, settings: LazySettings, leads_to: LeadsTo
) -> None:
    leads_to("/nowhere")
    wrapper = open_wrapper(settings.DATABASES["default"])
    with pytest.raises(DatabaseError):
        wrapper.ensure_connection()
    assert increase("connect_failures_total{reason=unreachable}") >= 1
    assert increase("connect_seconds_count{}") >= 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"PASSWORD": "plain-but-wrong"}, "refused_role"),
        ({"NAME": "nowhere"}, "no_database"),
    ],
)
def test_what_the_server_refuses_has_a_class(
    settings: LazySettings, increase: Increase, change: dict[str, str], reason: str
) -> None:
    wrapper = open_wrapper(DatabaseEntry(settings.DATABASES["default"], **change))
    with pytest.raises(DatabaseError):
        wrapper.ensure_connection()
    assert increase(f"connect_failures_total{{reason={reason}}}") >= 1


def test_no_error_has_a_class_of_its_own() -> None:
    assert failure_class(ValueError("the words of somebody")) == "unreachable"
    assert failure_class(UnprovenServer("another host")) == "unproven_server"


@pytest.fixture
def pooled(settings: LazySettings) -> Iterator[Any]:
    """A real pool of one connection."""
    settings.DATABASE_POOL_MODE = "native"
    entry = DatabaseEntry(settings.DATABASES["default"], CONN_MAX_AGE=0)
    entry["OPTIONS"] = {
        **entry["OPTIONS"],
        "pool": {"min_size": 1, "max_size": 1, "timeout": 0.3},
    }
    holder = open_wrapper(entry, "default")
    yield entry, holder
    holder.close()
    holder.close_pool()


def test_the_pool_is_told_and_giving_up_is_counted(
    scrape: Callable[[], Samples], increase: Increase, pooled: Any
) -> None:
    entry, holder = pooled
    holder.ensure_connection()
    now = scrape()
    assert (now["connections{state=active}"], now["connections{state=idle}"]) == (1, 0)
    other = open_wrapper(entry, "default")
    with pytest.raises(DatabaseError):
        other.ensure_connection()
    assert increase("pool_timeouts_total{}") == 1
    assert increase("connect_failures_total{reason=pool_timeout}") == 1
    assert increase("pool_wait_seconds_count{}") == 2
    holder.close()
    now = scrape()
    assert (now["connections{state=active}"], now["connections{state=idle}"]) == (0, 1)


def test_who_waits_for_the_pool_is_told(scrape: Callable[[], Samples], pooled: Any) -> None:
    entry, holder = pooled
    entry["OPTIONS"]["pool"]["timeout"] = 10
    holder.ensure_connection()
    other = open_wrapper(entry, "default")
    other.inc_thread_sharing()
    waiting = threading.Thread(target=other.ensure_connection)
    waiting.start()
    try:
        while not scrape()["pool_waiting_requests{}"]:
            assert waiting.is_alive()
    finally:
        holder.close()
        waiting.join()
        other.close()
    assert scrape()["pool_waiting_requests{}"] == 0


def test_answers_are_told_by_status_and_area(client: Client, increase: Increase) -> None:
    client.get("/")
    client.get("/nowhere/")
    client.get("/admin/login/")
    client.generic("BREW", "/")
    client.get("/health/live/")
    assert increase("requests_total{method=GET,status=404}") == 1
    assert increase("requests_total{method=other,status=405}") == 1
    assert increase("request_seconds_count{area=web}") == 2
    assert increase("request_seconds_count{area=admin}") == 1
    assert increase("request_seconds_count{area=none}") == 1
    assert increase("request_seconds_count{area=live}") == 1


def test_an_outage_that_is_answered_is_counted(
    client: Client, increase: Increase, settings: LazySettings, cluster: Any
) -> None:
    connection.close()
    with cluster.connect() as admin:
        admin.execute("ALTER ROLE test_app NOLOGIN")
        try:
            assert client.get("/").status_code == 503
        finally:
            admin.execute("ALTER ROLE test_app LOGIN")
    assert increase("outage_answers_total{}") == 1
    assert increase("requests_total{method=GET,status=503}") == 1


def test_masked_secrets_are_counted(increase: Increase, settings: LazySettings) -> None:
    password = settings.DATABASES["default"]["PASSWORD"]
    assert password not in redact(f"with {password}")
    assert increase("redactions_total{kind=known}") == 1
    redact("postgresql://somebody:plain-words@host/name")
    assert increase("redactions_total{kind=form}") == 1
    redact("nothing to hide")
    assert increase("redactions_total{kind=form}") == 1


def test_failed_logins_are_counted_without_their_names(
    client: Client, increase: Increase, rf: RequestFactory
) -> None:
    assert authenticate(rf.post("/"), username="Canary-name", password="plain") is None
    assert increase("login_failures_total{}") == 1
    assert "Canary-name" not in client.get("/metrics").content.decode()


def test_what_the_database_tells_is_told(
    evidence: None, scrape: Callable[[], Samples], increase: Increase
) -> None:
    row = back_up(2, proven_hours=1)
    judge(("SEC-004.1", State.PASS), ("SEC-004.2", State.FAIL), ("PERF-002.1", State.UNKNOWN))
    with acting_as("owner"):
        for result in ("done", "failed", None):
            run = MigrationRun.objects.create(role="owner", plan=[], backwards=False)
            if result:
                MigrationOutcome.objects.create(run=run, result=result)
    now = scrape()
    assert now["database_up{}"] == 1
    assert now["backup_size_bytes{}"] == 4096
    assert now["backups{}"] == 1
    assert now["backup_finished_timestamp_seconds{}"] == pytest.approx(row.finished_at.timestamp())
    assert now["backup_verifications{verdict=proven}"] == 1
    assert now["verdicts{risk=SEC-004,state=fail}"] == 1
    assert now["verdicts{risk=PERF-002,state=unknown}"] == 1
    assert now["migrations_pending{}"] == 0
    assert increase("migration_runs_total{result=done}") == 1
    assert increase("migration_runs_total{result=failed}") == 1
    assert increase("migration_runs_total{result=killed}") == 0
    assert now["migration_runs_unfinished{}"] == 1
    assert now["session_over_network{}"] == 0
    assert now["server_sessions{}"] < now["server_sessions_limit{}"]
    assert {now[f"facts_up{{facts={group}}}"] for group in collector.GROUPS} == {1}


def test_what_never_was_has_no_sample(scrape: Callable[[], Samples]) -> None:
    now = scrape()
    assert now["backups{}"] == 0
    for name in ("backup_finished_timestamp_seconds{}", "assessment_timestamp_seconds{}"):
        assert name not in now


def test_what_app_may_not_see_is_absent_and_said(
    scrape: Callable[[], Samples], settings: LazySettings
) -> None:
    settings.DATABASE_ROLES = {}
    now = scrape()
    assert now["facts_up{facts=sessions}"] == 0
    assert "sessions_in_clear{}" not in now
    assert now["facts_up{facts=backups}"] == 1


def test_it_answers_with_the_database_gone(
    scrape: Callable[[], Samples], client: Client, settings: LazySettings, leads_to: LeadsTo
) -> None:
    assert client.get("/health/live/").status_code == 200
    settings.DATABASE_ROLES = {}
    leads_to("/nowhere")
    now = scrape()
    assert now["database_up{}"] == 0
    assert {now[f"facts_up{{facts={group}}}"] for group in collector.GROUPS} == {0}
    assert "backups{}" not in now
    assert now["requests_total{method=GET,status=200}"] >= 1
    assert leaks(client.get("/metrics").content.decode()) == []


def test_many_scrapes_cost_the_database_one_question(
    healthy: None, monkeypatch: pytest.MonkeyPatch, increase: Increase
) -> None:
    monkeypatch.setattr(collector, "KEPT_SECONDS", KEPT_SECONDS)
    asked = FactsCollector()
    list(asked.collect())
    before = Increase(increase.scrape)
    for _ in range(10):
        assert len(list(asked.collect())) > 10
    assert before("connect_seconds_count{}") <= 1


def test_labels_come_from_closed_lists(client: Client, healthy: None) -> None:
    """Whatever strangers ask for, the number of series stays what it was."""
    client.get("/nowhere/"), client.get("/risks/"), client.generic("X-0", "/")
    before = len(samples(client.get("/metrics").content.decode()))
    for number in range(50):
        client.get(f"/nowhere/{number}/")
        client.get("/search/", {"q": f"words {number}", f"name{number}": "x"})
        client.generic(f"X-{number}", "/", headers={"user-agent": f"agent {number}"})
    text = client.get("/metrics").content.decode()
    assert len(samples(text)) <= before + 4
    risks = set(re.findall(r'risk="([^"]+)"', text))
    assert risks == {control.risk for control in all_controls()}


def test_a_status_is_a_number(rf: RequestFactory, increase: Increase) -> None:
    request = rf.get("/")
    request.resolver_match = None
    note_answer(request, HttpResponse(status=418), 0.1)
    assert increase("requests_total{method=GET,status=418}") == 1


def test_in_production_nobody_reads_it_until_somebody_is_named(
    client: Client, settings: LazySettings
) -> None:
    settings.READING_NEEDS_LOGIN = True
    assert client.get("/metrics").status_code == 401
    client.force_login(User.objects.create_superuser("operator"))
    assert client.get("/metrics").status_code == 401
    settings.METRICS_TOKEN = TOKEN
    assert client.get("/metrics").status_code == 401
    given = {"authorization": f"Bearer {TOKEN}", "host": "10.1.2.3:8000"}
    assert client.get("/metrics", headers=given).status_code == 200
    assert client.get("/metrics", headers={"authorization": f"Basic {TOKEN}"}).status_code == 401


def test_an_address_counts_unless_a_proxy_stands_before_it(
    client: Client, settings: LazySettings
) -> None:
    settings.READING_NEEDS_LOGIN = True
    given = Environment({"METRICS_ADDRESSES": "10.0.0.0/8,::1"})
    settings.METRICS_ADDRESSES = networks(given, "METRICS_ADDRESSES")
    for address, status in (("10.9.8.7", 200), ("::1", 200), ("11.0.0.1", 401), ("", 401)):
        assert client.get("/metrics", REMOTE_ADDR=address).status_code == status, address
    for header in ("x-forwarded-for", "forwarded", "x-real-ip"):
        passed_on = client.get("/metrics", REMOTE_ADDR="10.9.8.7", headers={header: "10.9.8.7"})
        assert passed_on.status_code == 401


def test_it_answers_on_an_event_loop_too(async_client: AsyncClient) -> None:
    answer = async_to_sync(async_client.get)("/metrics")
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (200, "text/plain")


@pytest.mark.parametrize("method", ["post", "delete"])
def test_it_is_only_read(client: Client, method: str) -> None:
    assert getattr(client, method)("/metrics").status_code == 405
