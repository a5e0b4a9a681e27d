"""The page of the gate says its word, what is missing and who accepted what."""

import itertools
import secrets
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.utils import timezone

from apps.accounts.models import User
from apps.risks.models import Acceptance, Risk
from tests.web.webdriver import browser

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def accepted(assessed: None) -> Acceptance:
    ada, ben = (
        User.objects.create_superuser(name, password=secrets.token_urlsafe())
        for name in ("ada", "ben")
    )
    now = timezone.now()
    return Acceptance.objects.create(
        risk=Risk.objects.get(code="SEC-004"), reason="<b>Until</b> the provider moves.",
        until=now.date() + timedelta(days=30), accepted_by=ada, approved_by=ben, approved_at=now,
    )  # fmt: skip


def test_it_says_what_is_missing_in_order(client: Client, accepted: Acceptance) -> None:
    body = client.get("/gate/").content.decode()
    assert "badge-FAIL" in body
    assert "4 of 5 risks that must be fixed are open" in body
    assert body.index("There is no verdict of the last day about") < body.index("Must be fixed")
    assert "manage.py assess" in body
    assert "&lt;b&gt;Until&lt;/b&gt; the provider moves." in body
    assert "Accepted by ada, approved by ben" in body
    for trigger in ("The pool&#x27;s settings", "Known vulnerabilities"):
        assert trigger in body
    assert client.get("/gate/?profile=1-1").status_code == 200
    assert client.get("/gate/?profile=7-7").status_code == 404


def test_the_register_shows_its_word_and_the_reviews_that_are_due(
    client: Client, accepted: Acceptance, settings: Any
) -> None:
    assert "badge-FAIL" in client.get("/").content.decode()
    settings.WEB_THREADS += 1
    with pytest.raises(CommandError, match="1 due"):
        call_command("reviews", "--offline")
    assert "1 review due" in client.get("/").content.decode()
    assert "threads" in client.get("/gate/").content.decode()


def test_without_a_profile_it_says_what_to_type(client: Client) -> None:
    assert "import_profile docs/risk-profile.md" in client.get("/gate/").content.decode()


def test_it_is_for_readers(client: Client, profile: None) -> None:
    with override_settings(READING_NEEDS_LOGIN=True):
        assert client.get("/gate/").status_code == 302
    assert client.post("/gate/").status_code == 405


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_screen_and_breaks_no_rule(
    width: int, accepted: Acceptance, live_server: Any
) -> None:
    with browser(width) as visitor:
        visitor.open(f"{live_server.url}/gate/")
        page, screen = visitor.run(
            "return [document.documentElement.scrollWidth, window.innerWidth]"
        )
        headings = visitor.run(
            "return [...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])"
        )
        errors = visitor.console_errors()
    assert page <= screen
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))
    assert errors == []
