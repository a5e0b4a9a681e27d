"""Whatever is typed into the admin is searched for, ordered by, filtered by or kept as text."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.sites import site
from django.db.models import Model
from django.forms import CharField, ChoiceField, Field
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from apps.accounts.models import User
from apps.database.concurrent_edit import row_version
from apps.risks.models import Discrepancy, Risk
from apps.risks.store import store
from tests.injection.addresses import asking
from tests.injection.conftest import Watch, quick
from tests.injection.payloads import FEW, PAYLOADS, SCRIPT, storable
from tests.risks.corpus import read

pytestmark = pytest.mark.django_db(transaction=True)

MODELS = sorted(site._registry, key=lambda model: model._meta.label)
# What Django's change list reads itself, beside the filters: alone, and at once.
ALONE = ("q", "_to_field")
AT_ONCE = ("o", "p", "e", "all", "_popup", "_changelist_filters", "_facets")


@pytest.fixture
def rows(staff: Client) -> None:
    store(read("contradictions"))
    store(read("no_table"))


def name_of(model: type[Model], page: str) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"


def questions(staff: Client, model: type[Model]) -> list[tuple[str, ...]]:
    """The sets of parameters that the model's list may be asked with, lookups among them."""
    shown = staff.get(reverse(name_of(model, "changelist"))).context["cl"]
    filters = {name for spec in shown.filter_specs for name in spec.expected_parameters()}
    field = next(f.name for f in model._meta.fields if f.get_internal_type() == "CharField")
    lookups = {"pk", f"{field}__contains", f"{field}__in", f"{field}__regex"}
    hierarchy = site._registry[model].date_hierarchy
    dates = {f"{hierarchy}__{part}" for part in ("year", "month", "day")} if hierarchy else set()
    return [AT_ONCE, *((name,) for name in (*ALONE, *sorted(filters | lookups | dates)))]


def test_no_search_order_or_filter_reaches_the_server_as_sql(
    staff: Client, rows: None, watch: Watch
) -> None:
    tried = set()
    for place, model in enumerate(MODELS):
        url = reverse(name_of(model, "changelist"))
        for names in questions(staff, model):
            # What every list has meets the whole corpus, a share in each of them.
            for payload in PAYLOADS[place :: len(MODELS)]:
                with quick(f"{url} {names}={payload!r}"):
                    answer = staff.get(asking(url, dict.fromkeys(names, payload)))
                assert answer.status_code in (200, 302, 400, 403), (url, names, payload)
                assert SCRIPT not in answer.content.decode()
                tried |= {(name, payload) for name in names}
    for name in (*ALONE, *AT_ONCE, "pk"):
        assert {payload for asked, payload in tried if asked == name} == set(PAYLOADS)
    assert {name for name, _ in tried} >= {"revision", "priority", "resolution__exact"}


def test_a_value_that_no_database_can_hold_is_a_bad_request(staff: Client, rows: None) -> None:
    url = reverse(name_of(Risk, "changelist"))
    for query in ("category__exact=%00", "title__contains=a%00b", "title__regex=("):
        answer = staff.get(f"{url}?{query}")
        assert answer.status_code == 400, query
        assert b"NUL" not in answer.content
    assert staff.get(f"{url}?q=%00").status_code == 200


def is_text(field: Field) -> bool:
    return isinstance(field, CharField) and not isinstance(field, ChoiceField)


def typed(context: Any, payload: str, kept: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """The form as a browser sends it back, the payload in its text; and the fields it is in."""
    form = context["adminform"].form
    data: dict[str, str] = {}
    fields = []
    for name, field in form.fields.items():
        value = form[name].value()
        if is_text(field) and not field.disabled and name not in kept:
            data[name] = storable(payload, field.max_length or 10_000)
            fields.append(name)
        elif value not in (None, False, "") and not isinstance(value, list):
            data[name] = str(value)
    for inline in context["inline_admin_formsets"]:
        for part in [inline.formset.management_form, *inline.formset.forms]:
            for bound in part:
                value = bound.value()
                data[bound.html_name] = "" if value is None else str(value)
    return data, fields


def edited(staff: Client, row: Model, context: Any, payload: str, kept: tuple[str, ...]) -> bool:
    """Type the payload into the row's form; whether it was kept, just as it was typed."""
    url = reverse(name_of(type(row), "change"), args=[row.pk])
    data, fields = typed(context, payload, kept)
    if "row_version" in data:
        data["row_version"] = row_version(row)
    with quick(f"{url} {payload!r}"):
        answer = staff.post(url, data)
    if answer.status_code == 200:
        assert answer.context["errors"], (url, payload)
        return False
    assert answer.status_code == 302, (url, payload)
    row.refresh_from_db()
    for name in fields:
        kept_text = str(getattr(row, name)).replace("\r\n", "\n")
        assert kept_text == data[name].replace("\r\n", "\n"), (name, payload)
    if SCRIPT in payload:
        page = staff.get(url).content.decode()
        assert SCRIPT not in page
        assert escape(payload) in page
    return True


def test_text_of_a_form_comes_back_as_it_was_typed(staff: Client, rows: None, watch: Watch) -> None:
    watch.growing = {"django_admin_log"}
    forms = (
        (Risk.objects.get(is_draft=True), ("residual_level", "row_version", "affected")),
        (Risk.objects.filter(is_draft=False).earliest("position"), ("row_version",)),
        (Discrepancy.objects.earliest("position"), ("row_version", "resolution")),
    )
    for row, kept in forms:
        page = staff.get(reverse(name_of(type(row), "change"), args=[row.pk]))
        saved = {
            payload
            for payload in (PAYLOADS if row is forms[0][0] else PAYLOADS[::3])
            if edited(staff, row, page.context, payload, kept)
        }
        # Of NUL alone nothing is left to keep, and a code may not be empty.
        assert {payload for payload in PAYLOADS[::3] if storable(payload)} <= saved


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model._meta.model_name))
def test_what_is_typed_into_an_empty_form_makes_a_row_or_a_message(
    staff: Client, model: type[Model], cluster: Any
) -> None:
    url = reverse(name_of(model, "add"))
    page = staff.get(url)
    if page.status_code == 403:
        # Only an import makes these rows, whatever is posted.
        assert staff.post(url, {"title": PAYLOADS[0]}).status_code == 403
        return
    before = cluster.log.stat().st_size
    for payload in FEW:
        data, fields = typed(page.context, payload, ())
        assert fields
        with quick(f"{url} {payload!r}"):
            answer = staff.post(url, data)
        assert answer.status_code in (200, 302), (url, payload)
    assert b"ERROR:" not in cluster.log.read_bytes()[before:]


@pytest.mark.parametrize("field", ["username", "password", "next"])
def test_nobody_signs_in_with_a_payload(
    client: Client, keeper: User, watch: Watch, field: str
) -> None:
    given = {"username": "keeper", "password": "plain-wrong", "next": "/admin/"}
    for payload in PAYLOADS:
        text = payload.encode("utf-8", errors="ignore").decode()
        with quick(f"{field} {payload!r}"):
            answer = client.post(reverse("admin:login"), {**given, field: text})
        assert answer.status_code == 200, payload
        assert settings.SESSION_COOKIE_NAME not in client.cookies
        assert SCRIPT not in answer.content.decode()
