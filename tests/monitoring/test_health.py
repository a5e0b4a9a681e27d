"""The probes tell the truth."""

import pytest
from django.db import connection
from django.test import Client


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
