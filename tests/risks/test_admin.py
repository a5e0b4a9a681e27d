"""The admin shows what was imported and takes what people add."""

import secrets

import pytest
from django.contrib.admin.sites import site
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.database.concurrent_edit import row_version
from apps.risks.models import Discrepancy, Profile, Revision, Risk
from apps.risks.store import store
from tests.risks.corpus import read

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> Client:
    keeper = User.objects.create_superuser("keeper", password=secrets.token_urlsafe())
    client.force_login(keeper)
    return client


INLINES = ("mitigations", "testing_focus", "components", "discrepancies")
EMPTY_INLINES = {
    f"{name}-{part}": "0" for name in INLINES for part in ("TOTAL_FORMS", "INITIAL_FORMS")
}


@pytest.mark.parametrize("model", [Profile, Revision, Risk, Discrepancy])
def test_every_list_and_every_form_opens(staff: Client, model: type) -> None:
    store(read("contradictions"))
    store(read("sections"))
    name = f"admin:risks_{model.__name__.lower()}"
    for query in ("", "?q=keys", "?revision=all", "?q=" + "x" * 5_000, "?q=%00%27%22"):
        if model is Profile and "revision" in query:
            continue
        assert staff.get(reverse(f"{name}_changelist") + query).status_code == 200
    for row in model.objects.all():
        assert staff.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200


def test_a_key_that_is_no_uuid_is_no_error(staff: Client) -> None:
    answer = staff.get(reverse("admin:risks_risk_change", args=["none"]))
    assert answer.status_code == 302


def test_the_list_is_searched_by_near_spelling(staff: Client) -> None:
    store(read("columns_category_last"))
    answer = staff.get(reverse("admin:risks_risk_changelist"), {"q": "runs into the mornin"})
    assert b"PERF-001" in answer.content
    assert b"DATA-001" not in answer.content


def test_only_the_newest_revision_is_listed_at_first(staff: Client) -> None:
    old = read("contradictions")
    store(old)
    store(type(old)(**{**vars(old), "sha256": "1" * 64}))
    url = reverse("admin:risks_risk_changelist")
    assert staff.get(url).context["cl"].result_count == 4
    assert staff.get(url, {"revision": "all"}).context["cl"].result_count == 8


def test_the_list_asks_as_often_for_many_risks_as_for_few(
    staff: Client, django_assert_max_num_queries: object
) -> None:
    store(read("cell_forms"))
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        staff.get(reverse("admin:risks_risk_changelist"))


def test_a_script_in_a_title_is_shown_as_text(staff: Client) -> None:
    store(read("front_matter_and_comments"))
    content = staff.get(reverse("admin:risks_risk_changelist")).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content
    assert "<script>alert(1)" not in content


def test_notes_can_be_written_and_imported_values_cannot(staff: Client) -> None:
    store(read("contradictions"))
    risk = Risk.objects.get(code="SEC-001")
    url = reverse("admin:risks_risk_change", args=[risk.pk])
    values = {"notes": "Asked the team", "title": "Mine", "probability": "1", "score": "1"}
    values["row_version"] = row_version(risk)
    assert staff.post(url, {**values, **EMPTY_INLINES}).status_code == 302
    risk.refresh_from_db()
    assert (risk.notes, risk.title, risk.probability) == ("Asked the team", "Keys in the image", 2)


def test_a_draft_is_completed_and_rated(staff: Client) -> None:
    store(read("no_table"))
    risk = Risk.objects.get()
    answer = staff.post(
        reverse("admin:risks_risk_change", args=[risk.pk]),
        {
            **EMPTY_INLINES,
            "row_version": row_version(risk),
            "code": "BUS-001",
            "title": "The vendor closes",
            "probability": "2",
            "impact": "3",
            "affected": "contract",
            "mitigations-0-position": "1",
            "mitigations-0-text": "Keep a copy",
            "mitigations-TOTAL_FORMS": "1",
        },
    )
    assert answer.status_code == 302
    risk.refresh_from_db()
    assert (risk.code, risk.score, risk.priority, risk.affected) == (
        "BUS-001",
        6,
        "High",
        ["contract"],
    )
    assert [item.text for item in risk.mitigations.all()] == ["Keep a copy"]


def test_a_rating_outside_the_scale_is_a_message(staff: Client) -> None:
    store(read("no_table"))
    risk = Risk.objects.get()
    values = {"code": "BUS-001", "title": "t", "probability": "7", "impact": "3"}
    values["row_version"] = row_version(risk)
    answer = staff.post(
        reverse("admin:risks_risk_change", args=[risk.pk]), {**values, **EMPTY_INLINES}
    )
    assert answer.status_code == 200
    assert b"risks_risk_probability_1_to_3" in answer.content


def test_a_discrepancy_is_resolved_by_a_named_person(staff: Client) -> None:
    store(read("contradictions"))
    entry = Discrepancy.objects.get(kind="score_product")
    url = reverse("admin:risks_discrepancy_change", args=[entry.pk])
    decided = {"resolution": "computed", "resolution_note": "Counted again", "stated": "1"}
    staff.post(url, {**decided, "row_version": row_version(entry)})
    entry.refresh_from_db()
    assert (entry.resolution, entry.stated) == ("computed", "6")
    assert entry.resolved_by is not None
    assert entry.resolved_by.username == "keeper"
    assert entry.resolved_at is not None
    assert entry not in Discrepancy.objects.unresolved()
    staff.post(url, {"resolution": "", "row_version": row_version(entry)})
    entry.refresh_from_db()
    assert (entry.resolved_by, entry.resolved_at) == (None, None)


@pytest.mark.parametrize("model", [Profile, Revision, Risk, Discrepancy])
def test_nothing_imported_can_be_added_or_deleted(staff: Client, model: type) -> None:
    store(read("contradictions"))
    name = f"admin:risks_{model.__name__.lower()}"
    row = model.objects.first()
    assert staff.get(reverse(f"{name}_add")).status_code == 403
    assert staff.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert site.is_registered(model)


def test_the_second_of_two_edits_is_told_and_overwrites_nothing(staff: Client) -> None:
    store(read("contradictions"))
    risk = Risk.objects.get(code="SEC-001")
    url = reverse("admin:risks_risk_change", args=[risk.pk])
    form = staff.get(url).context["adminform"].form
    shown = {"row_version": form["row_version"].value(), **EMPTY_INLINES}
    assert staff.post(url, {**shown, "notes": "first"}).status_code == 302
    second = staff.post(url, {**shown, "notes": "second"})
    assert second.status_code == 200
    assert b"Somebody changed this meanwhile" in second.content
    risk.refresh_from_db()
    assert risk.notes == "first"
    shown["row_version"] = row_version(risk)
    assert staff.post(url, {**shown, "notes": "second, having looked"}).status_code == 302
    risk.refresh_from_db()
    assert risk.notes == "second, having looked"


def test_a_form_without_a_version_saves_nothing(staff: Client) -> None:
    store(read("contradictions"))
    risk = Risk.objects.get(code="SEC-001")
    url = reverse("admin:risks_risk_change", args=[risk.pk])
    assert staff.post(url, {"notes": "blind", **EMPTY_INLINES}).status_code == 200
    risk.refresh_from_db()
    assert risk.notes == ""
