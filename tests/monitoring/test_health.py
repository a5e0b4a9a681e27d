"""The probes tell the truth."""

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from apps.database.connection import acting_as


@pytest.mark.django_db
def test_ready_answers_ok_with_a_migrated_database(client: Client) -> None:
    answer = client.get("/health/ready/")
    assert answer.status_code == 200


def test_live_asks_no_database(client: Client) -> None:
    answer = client.get("/health/live/")
    assert (answer.status_code, answer.content) == (200, b"OK\n")


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
