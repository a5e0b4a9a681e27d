"""One person accepts a risk in the admin, another approves it; nobody does both."""

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.risks.models import Acceptance, Risk
from apps.risks.store import store
from tests.risks.corpus import REGISTER, read_string

pytestmark = pytest.mark.django_db

ADD = reverse("admin:risks_acceptance_add")
LIST = reverse("admin:risks_acceptance_changelist")


@pytest.fixture
def risk(db: None) -> Risk:
    store(read_string(REGISTER))
    return Risk.objects.get(code="SEC-001")


def signed_in(name: str, **more: Any) -> Client:
    user = User.objects.filter(username=name).first() or User.objects.create_superuser(
        name, password=secrets.token_urlsafe()
    )
    client = Client()
    client.force_login(user)
    return client


def proposal(risk: Risk, **more: str) -> dict[str, str]:
    until = timezone.now().date() + timedelta(days=90)
    return {
        "risk": str(risk.pk), "reason": "Until the provider moves.", "reference": "OPS-17",
        "until": until.isoformat(), **more,
    }  # fmt: skip


def act(client: Client, action: str, acceptance: Acceptance) -> str:
    data = {"action": action, "_selected_action": [str(acceptance.pk)]}
    return client.post(LIST, data, follow=True).content.decode()


def proposed(risk: Risk, by: str = "ada") -> Acceptance:
    assert signed_in(by).post(ADD, proposal(risk)).status_code == 302
    return Acceptance.objects.get()


def test_who_accepts_is_who_is_signed_in_and_the_score_is_kept(risk: Risk) -> None:
    acceptance = proposed(risk)
    assert (acceptance.accepted_by.username, acceptance.score) == ("ada", 6)
    assert acceptance.state(timezone.now()) == "proposed"
    page = signed_in("ada").get(reverse("admin:risks_acceptance_change", args=[acceptance.pk]))
    assert page.status_code == 200


def test_nobody_approves_his_own(risk: Risk) -> None:
    acceptance = proposed(risk)
    said = act(signed_in("ada"), "approve", acceptance)
    assert "you accepted it; another person approves" in said
    acceptance.refresh_from_db()
    assert acceptance.approved_by is None


def test_another_person_approves_and_then_nothing_is_edited_any_more(risk: Risk) -> None:
    acceptance = proposed(risk)
    assert "Approved: SEC-001" in act(signed_in("ben"), "approve", acceptance)
    acceptance.refresh_from_db()
    assert acceptance.approved_by is not None
    assert acceptance.approved_by.username == "ben"
    assert acceptance.state(timezone.now()) == "active"
    url = reverse("admin:risks_acceptance_change", args=[acceptance.pk])
    assert signed_in("ada").post(url, proposal(risk, reason="Other words.")).status_code == 403
    assert "it is active" in act(signed_in("cem"), "approve", acceptance)


def test_who_edits_the_words_accepts_them_himself(risk: Risk) -> None:
    acceptance = proposed(risk)
    client = signed_in("ben")
    url = reverse("admin:risks_acceptance_change", args=[acceptance.pk])
    version = client.get(url).context["adminform"].form.initial["row_version"]
    changed = proposal(risk, reason="Other words.", row_version=version)
    assert client.post(url, changed).status_code == 302
    assert "another person approves" in act(client, "approve", acceptance)
    assert "Approved" in act(signed_in("ada"), "approve", acceptance)
    acceptance.refresh_from_db()
    assert acceptance.accepted_by.username == "ben"


def test_approving_needs_its_permission(risk: Risk) -> None:
    acceptance = proposed(risk)
    clerk = User.objects.create_user("clerk", is_staff=True)
    for name in ("view_acceptance", "change_acceptance"):
        clerk.user_permissions.add(Permission.objects.get(codename=name))
    act(signed_in("clerk"), "approve", acceptance)
    acceptance.refresh_from_db()
    assert acceptance.approved_by is None
    clerk.user_permissions.add(Permission.objects.get(codename="approve_acceptance"))
    act(signed_in("clerk"), "approve", acceptance)
    acceptance.refresh_from_db()
    assert acceptance.approved_by == clerk


def test_one_that_was_withdrawn_is_over(risk: Risk) -> None:
    acceptance = proposed(risk)
    act(signed_in("ben"), "approve", acceptance)
    assert "Withdrawn: SEC-001" in act(signed_in("cem"), "withdraw", acceptance)
    acceptance.refresh_from_db()
    assert acceptance.state(timezone.now()) == "withdrawn"
    assert "it is withdrawn already" in act(signed_in("cem"), "withdraw", acceptance)


@pytest.mark.parametrize("days", [-1, 367, 4000])
def test_it_ends_within_a_year(risk: Risk, days: int) -> None:
    until = (timezone.now().date() + timedelta(days=days)).isoformat()
    answer = signed_in("ada").post(ADD, proposal(risk, until=until))
    assert f"{until} is not from today to " in answer.content.decode()
    assert Acceptance.objects.count() == 0


def test_a_risk_of_an_older_revision_is_not_accepted(risk: Risk) -> None:
    store(replace(read_string(REGISTER), sha256="1" * 64))
    newest = Risk.objects.current().get(code="SEC-001")
    assert newest.pk != risk.pk
    answer = signed_in("ada").post(ADD, proposal(risk))
    assert answer.status_code == 200
    assert Acceptance.objects.count() == 0
    assert signed_in("ada").post(ADD, proposal(newest)).status_code == 302


def test_nothing_is_deleted(risk: Risk) -> None:
    acceptance = proposed(risk)
    url = reverse("admin:risks_acceptance_delete", args=[acceptance.pk])
    assert signed_in("ben").post(url, {"post": "yes"}).status_code == 403
    assert Acceptance.objects.count() == 1
