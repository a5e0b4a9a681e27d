"""The pages say what the database says, to those who may read, whatever they are asked."""

import io
import re
from datetime import UTC

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.utils.html import escape

from apps.accounts.models import User
from apps.controls.models import Assessment
from apps.risks.models import Risk
from config.env import BASE_DIR

pytestmark = pytest.mark.django_db(transaction=True)


def page(client: Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return answer.content.decode()


def test_the_register_shows_all_risks_the_matrix_and_what_was_judged(
    client: Client, assessed: None
) -> None:
    body = page(client, "/")
    assert len(set(re.findall(r'<span class="code">([A-Z]+-\d+)</span>', body))) == 23
    # P × I: five risks at 2 × 3, five at 2 × 2, two at 2 × 1, eight at 1 × 3, three at 1 × 2.
    counts = re.findall(r"<b>(\d+)</b><span class=\"hidden\"> risks?, score (\d)", body)
    assert counts == [("2", "2"), ("5", "4"), ("5", "6"), ("3", "2"), ("8", "3")]
    for words in ("2</b>", "held", "not judged", "test_auditor", "CONCERNS"):
        assert words in body
    assert "Where the document contradicts itself" not in body


def test_times_are_shown_in_the_zone_that_they_name(client: Client, assessed: None) -> None:
    judged = Assessment.objects.newest()
    assert judged is not None
    moment = judged.started_at.astimezone(UTC)
    assert f"{moment.day} {moment:%B %Y, %H:%M} UTC" in page(client, "/")


def test_the_matrix_filters_the_list(client: Client, profile: None) -> None:
    assert page(client, "/?p=2&i=3").count('<th scope="row"><a') == 5
    assert page(client, "/?p=nonsense&i=9").count('<th scope="row"><a') == 23


def test_the_register_asks_a_bounded_number_of_questions(
    client: Client, assessed: None, django_assert_max_num_queries: object
) -> None:
    with django_assert_max_num_queries(10):  # type: ignore[operator]
        page(client, "/")


def test_a_risk_shows_its_promises_its_controls_and_the_evidence(
    client: Client, sec_005: Risk
) -> None:
    body = page(client, f"/risks/{sec_005.pk}/")
    assert "Use three roles" in body
    assert "Each power that is given fails the control" in body
    for control in ("SEC-005.1", "SEC-005.2", "SEC-005.3", "SEC-005.4"):
        assert control in body
    assert "test_app" in body
    assert "42501" in body
    assert "badge-held" in body


def test_tls_over_a_socket_is_not_applicable_with_the_reason(
    client: Client, assessed: None
) -> None:
    risk = Risk.objects.get(code="SEC-004")
    body = page(client, f"/risks/{risk.pk}/")
    assert "local Unix socket; TLS does not exist" in body
    assert "badge-not-applicable" in body
    assert "badge-pass" not in body


@pytest.mark.parametrize(
    "key",
    ["none", "1", "'; DROP TABLE risks_risk; --", "\x00", "01900000-0000-7000-8000-000000000000"],
)
def test_a_key_that_is_none_is_not_found(client: Client, profile: None, key: str) -> None:
    answer = client.get(f"/risks/{key}/")
    assert answer.status_code == 404
    assert b"Not found" in answer.content


@pytest.mark.parametrize(
    "words",
    ["", " ", "backup", "SEC-004", '"open', "it's", "x" * 10_000, "\x00\x00", "a\x00b", "---", "%",
     "<script>alert(1)</script>", "' OR 1=1 --", "a & | ! ( )", "日本語", "\ud83d", "\\"],
)  # fmt: skip
def test_a_search_for_anything_is_answered(client: Client, profile: None, words: str) -> None:
    answer = client.get("/search/", {"q": words.encode("utf-8", "surrogatepass")})
    body = answer.content.decode()
    assert answer.status_code == 200
    assert "<script>" not in body
    assert ("Only the first 200 characters" in body) is (len(words) > 200)


def test_a_search_finds_by_code_word_and_near_spelling(client: Client, profile: None) -> None:
    assert "DATA-002" in page(client, "/search/?q=restored")
    assert "SEC-004" in page(client, "/search/?q=sec-004")
    assert "PERF-002" in page(client, "/search/?q=indexs+missing")
    assert "Nothing fits" in page(client, "/search/?q=zebra")


def test_searched_words_are_marked_and_everything_is_escaped(client: Client, profile: None) -> None:
    risk = Risk.objects.get(code="SEC-002")
    title = 'An <script>alert("x")</script> injection'
    Risk.objects.filter(pk=risk.pk).update(title=title)
    body = page(client, "/search/?q=injection")
    assert "<mark>injection</mark>" in body
    assert "<script>" not in body
    assert escape(title) in page(client, f"/risks/{risk.pk}/")


def test_in_production_reading_needs_a_login(client: Client, assessed: None) -> None:
    risk = Risk.objects.get(code="SEC-005")
    addresses = ["/", f"/risks/{risk.pk}/", "/search/?q=backup"]
    with override_settings(READING_NEEDS_LOGIN=True):
        for address in addresses:
            answer = client.get(address)
            assert answer.status_code == 302
            assert answer.headers["Location"].startswith("/admin/login/?next=")
        client.force_login(User.objects.create_user("reader"))
        for address in addresses:
            answer = client.get(address)
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"] == "private, no-store"


def test_pages_may_load_nothing_from_elsewhere(client: Client, profile: None) -> None:
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_an_empty_register_says_what_to_type(client: Client) -> None:
    assert "import_profile docs/risk-profile.md" in page(client, "/")
    with pytest.raises(CommandError, match="register is empty; import a profile"):
        call_command("register")


def test_only_reading_is_allowed(client: Client, profile: None) -> None:
    assert client.post("/").status_code == 405


def test_the_terminal_shows_the_same_register(assessed: None) -> None:
    out = io.StringIO()
    call_command("register", stdout=out)
    said = out.getvalue()
    assert "✓ held        The database user may do too much" in said
    assert "✓ held" in said
    assert "· not judged" in said
    assert "manage.py assess" in said


def luminance(colour: str) -> float:
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_pair_of_colours_can_be_read() -> None:
    style = (BASE_DIR / "apps/web/static/web/holdfast.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    pairs = [("ink", "paper"), ("ink", "panel"), ("soft", "paper"), ("soft", "panel"),
             ("accent", "paper"), ("accent", "panel"), ("paper", "accent"), ("ink", "mark"),
             *((word, f"{word}-bg") for word in ("good", "bad", "warn", "calm")),
             *(("ink", f"s{score}") for score in (1, 2, 3, 4, 6, 9))]  # fmt: skip
    for scheme in (light, dark):
        colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", scheme))
        for front, back in pairs:
            brighter, darker = sorted((luminance(colours[c]) for c in (front, back)), reverse=True)
            assert (brighter + 0.05) / (darker + 0.05) >= 4.5, (front, back)
