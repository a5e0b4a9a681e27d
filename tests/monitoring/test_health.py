"""The probes of platforms tell the truth, soon, to anybody, and say nothing else."""

import socket
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import LazySettings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import AsyncClient, Client

from apps.database.connection import acting_as
from apps.database.server import Cluster
from apps.monitoring import patience
from tests import environment
from tests.monitoring.conftest import LeadsTo

PROBES = ("/health/live/", "/health/ready/", "/health/startup/")
HOSTS = ("healthcheck.railway.app", "10.42.0.17:8000", "[fd00::17]:8000", "evil.example")
READY_SECONDS = 1.5
LIVE_SECONDS = 0.005


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a peer that takes connections, and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield listening.getsockname()[1]


def leaks(text: str) -> list[str]:
    """What a stranger must not read."""
    secret = (str(environment.cluster.socket_folder), environment.DATABASE, "127.0.0.1", "test_app")
    return [word for word in (*secret, "psycopg", "Traceback", "PostgreSQL 18") if word in text]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("address", PROBES)
@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("host", ["testserver", *HOSTS])
def test_every_probe_answers_200_whatever_host_it_names(
    client: Client, address: str, method: str, host: str
) -> None:
    answer = getattr(client, method)(address, headers={"host": host})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert leaks(answer.content.decode()) == []


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/", "/health/", "/search/", "/admin/login/"])
def test_every_other_address_still_knows_its_hosts(client: Client, address: str) -> None:
    for host in HOSTS:
        assert client.get(address, headers={"host": host}).status_code == 400


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("address", PROBES)
def test_probes_answer_on_an_event_loop_too(async_client: AsyncClient, address: str) -> None:
    answer = async_to_sync(async_client.get)(address, headers={"host": "healthcheck.railway.app"})
    assert answer.status_code == 200


def test_live_answers_in_five_milliseconds_without_a_database(
    client: Client, leads_to: LeadsTo
) -> None:
    leads_to("/nowhere")
    client.get("/health/live/")
    times = []
    for _ in range(100):
        started = time.perf_counter()
        answer = client.get("/health/live/")
        times.append(time.perf_counter() - started)
        assert (answer.status_code, answer.content) == (200, b"OK\n")
    assert median(times) < LIVE_SECONDS


@pytest.mark.django_db(transaction=True)
def test_a_refused_connection_is_503_with_retry_after(client: Client, leads_to: LeadsTo) -> None:
    leads_to("/nowhere")
    for address in ("/health/ready/", "/health/startup/"):
        answer = client.get(address)
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        lines = answer.content.decode().splitlines()
        assert lines == ["broken", *(f"{n}: broken, no answer" for n in ("database", "migrations"))]
    assert client.get("/health/live/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_silent_server_costs_ready_no_more_than_its_budget(
    client: Client, silent: int, leads_to: LeadsTo
) -> None:
    leads_to("127.0.0.1", silent)
    for _ in range(3):
        started = time.monotonic()
        answer = client.get("/health/ready/")
        assert time.monotonic() - started < READY_SECONDS
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert leaks(answer.content.decode()) == []


@pytest.mark.django_db(transaction=True)
def test_questions_without_an_answer_do_not_pile_up(
    client: Client, settings: LazySettings, silent: int, leads_to: LeadsTo
) -> None:
    usual = settings.DATABASES["default"]["HOST"], settings.DATABASES["default"]["PORT"]
    leads_to("127.0.0.1", silent)
    for _ in range(patience.MOST_AT_ONCE + 2):
        assert client.get("/health/ready/").status_code == 503
    leads_to(*usual)
    deadline = time.monotonic() + 5
    while client.get("/health/ready/").status_code != 200:
        assert time.monotonic() < deadline


@pytest.fixture
def one_migration_less(transactional_db: None, cluster: Cluster) -> Iterator[None]:
    """As when the code was deployed before its migration ran."""
    with cluster.connect(environment.DATABASE) as admin:
        row = admin.execute(
            "DELETE FROM django_migrations WHERE id = (SELECT max(id) FROM django_migrations)"
            " RETURNING id, app, name, applied"
        ).fetchone()
        yield
        admin.execute("INSERT INTO django_migrations VALUES (%s, %s, %s, %s)", row)


def test_a_waiting_migration_turns_ready(client: Client, one_migration_less: None) -> None:
    answer = client.get("/health/ready/")
    assert answer.status_code == 503
    assert answer.content == b"broken\ndatabase: ok\nmigrations: broken, 1 wait\n"
    assert client.get("/health/startup/").status_code == 503
    assert client.get("/health/live/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_ready_does_not_wait_for_the_connections_of_requests(
    client: Client, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exhausted pool is for /health/ to say: taking the process out would not help."""
    pool = {"max_size": 0, "timeout": 60}
    monkeypatch.setitem(settings.DATABASES["default"]["OPTIONS"], "pool", pool)
    assert client.get("/health/ready/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_startup_stays_200_once_the_process_has_been_ready(
    client: Client, settings: LazySettings, leads_to: LeadsTo
) -> None:
    usual = settings.DATABASES["default"]["HOST"], settings.DATABASES["default"]["PORT"]
    leads_to("/nowhere")
    assert client.get("/health/startup/").status_code == 503
    leads_to(*usual)
    assert client.get("/health/startup/").status_code == 200
    leads_to("/nowhere")
    answer = client.get("/health/startup/")
    assert (answer.status_code, answer.content) == (200, b"ok\n")
    assert client.get("/health/ready/").status_code == 503


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "text/plain"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("application/json", "application/json"),
        ("application/openmetrics-text", "application/openmetrics-text"),
        ("no media type at all", "text/plain"),
        ("", "text/plain"),
    ],
)
def test_ready_speaks_the_form_that_is_asked_for(client: Client, accept: str, kind: str) -> None:
    answer = client.get("/health/ready/", headers={"accept": accept})
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (200, kind)
    assert leaks(answer.content.decode()) == []


@pytest.mark.django_db(transaction=True)
def test_the_log_says_once_what_strangers_do_not_read(
    client: Client, caplog: Any, leads_to: LeadsTo
) -> None:
    leads_to("/nowhere")
    for _ in range(3):
        client.get("/health/ready/")
    lines = [r.getMessage() for r in caplog.records if r.name == "apps.monitoring.states"]
    assert [line.partition(":")[0] for line in lines] == [
        "Health of database is broken",
        "Health of migrations is broken",
    ]
    assert "/nowhere" in lines[0]


@pytest.mark.django_db
def test_the_application_is_the_app_role() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("test_app",)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("form", ["html", "json", "text", "atom", "rss", "openmetrics"])
def test_ready_says_no_in_every_form_while_migrations_wait(client: Client, form: str) -> None:
    with acting_as("owner"):
        MigrationRecorder(connection).record_unapplied("sessions", "0001_initial")
    try:
        answer = client.get(f"/health/ready/?format={form}")
    finally:
        with acting_as("owner"):
            MigrationRecorder(connection).record_applied("sessions", "0001_initial")
    assert answer.status_code == 503
    assert answer["Retry-After"]
