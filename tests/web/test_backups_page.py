"""The page of the backups, as rows tell it; and an admin that only shows."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.backups.catalogue import Proof
from apps.backups.models import BackupRow, VerificationRow
from apps.database.connection import acting_as
from tests.web.webdriver import browser

pytestmark = pytest.mark.django_db(transaction=True)


def make(count: int) -> None:
    """Backups of as many days, as the owner; the newest never restored, the one before damaged."""
    now = timezone.now()
    with acting_as("owner"):
        for number in range(count):
            made = now - timedelta(days=number, hours=2)
            row = BackupRow.objects.create(
                name=f"service-{made:%Y-%m-%d-%H%M%S}.psql.bin.zst.age", database="service",
                server_version="18.6", started_at=made, finished_at=made,
                bytes=2_147_000_000 - number * 31_000_000, sha256="0" * 64,
                location="/var/backups", encrypted=True, partial=False, content={},
            )  # fmt: skip
            if number:
                VerificationRow.objects.create(
                    backup=row, verified_at=made + timedelta(hours=1),
                    verdict=Proof.NOT_PROVEN if number == 1 else Proof.PROVEN,
                    reason="The file's checksum is not the sidecar's; its content has changed."
                    if number == 1 else None,
                    restore_seconds=0.0 if number == 1 else 60 - number * 1.7, content={},
                )  # fmt: skip


def test_without_a_backup_it_says_what_to_type(client: Client) -> None:
    text = client.get("/backups/").content.decode()
    assert "No backup has been proven" in text
    assert "dbbackup" in text
    assert "<svg" not in text


def test_it_shows_age_size_verdict_and_restore_times(client: Client) -> None:
    make(5)
    text = client.get("/backups/").content.decode()
    assert text.count("<rect") == 3
    assert "never restored" in text
    assert "not proven" in text
    assert "content has changed" in text
    assert "2.0\xa0GB" in text
    assert "style=" not in text


def test_the_admin_shows_and_changes_nothing(client: Client) -> None:
    make(2)
    client.force_login(User.objects.create_superuser("operator", password="x"))
    row = BackupRow.objects.newest_first()[0]
    assert row.name in client.get("/admin/backups/backuprow/").content.decode()
    page = client.get(f"/admin/backups/backuprow/{row.pk}/change/").content.decode()
    assert 'name="_save"' not in page
    assert client.post(f"/admin/backups/backuprow/{row.pk}/delete/").status_code == 403
    assert client.get("/admin/backups/backuprow/add/").status_code == 403
    assert BackupRow.objects.count() == 2


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_screen_and_breaks_no_rule(width: int, live_server: Any) -> None:
    make(9)
    with browser(width) as visitor:
        visitor.open(f"{live_server.url}/backups/")
        page, screen = visitor.run(
            "return [document.documentElement.scrollWidth, window.innerWidth]"
        )
        assert page <= screen
        assert visitor.run("return document.querySelectorAll('h1').length") == 1
        current = visitor.run("return document.querySelector('[aria-current=page]').textContent")
        assert current == "Backups"
        assert visitor.console_errors() == []
