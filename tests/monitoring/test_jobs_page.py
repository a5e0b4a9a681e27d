"""The page of the work that runs by itself."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.database.connection import acting_as
from apps.monitoring.models import JobRun
from tests.web.webdriver import browser

pytestmark = pytest.mark.django_db(transaction=True)


def make_runs() -> None:
    """As the worker writes them: one done, one that failed, one whose worker died."""
    now = timezone.now()
    with acting_as("owner"):
        for job, code, said in (
            ("assess", 1, "2 fail, 3 unknown."),
            ("backup", 1, "<b>the disk</b> is full: No space left on device"),
            ("verify", None, ""),
        ):
            JobRun.objects.create(
                job=job, queue_id=7, attempt=int(job == "verify"), exit_code=code, said=said,
                started_at=now - timedelta(minutes=5),
                finished_at=None if code is None else now - timedelta(minutes=4),
            )  # fmt: skip


def test_before_the_first_run_it_says_what_to_type(client: Client) -> None:
    text = client.get("/jobs/").content.decode()
    assert "manage.py work" in text
    assert "Newest runs" not in text


def test_it_shows_each_job_with_its_end(client: Client) -> None:
    make_runs()
    text = client.get("/jobs/").content.decode()
    assert 'badge-pass">done' in text
    assert 'badge-fail">failed' in text
    assert 'badge-unknown">running' in text
    assert "&lt;b&gt;the disk&lt;/b&gt; is full" in text
    assert "no end was written down" in text
    assert "manage.py work" not in text


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_screen(width: int, live_server: Any) -> None:
    make_runs()
    with browser(width) as visitor:
        visitor.open(f"{live_server.url}/jobs/")
        page, screen = visitor.run(
            "return [document.documentElement.scrollWidth, window.innerWidth]"
        )
        assert page <= screen
        assert visitor.console_errors() == []
