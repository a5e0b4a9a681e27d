"""Search finds by words, codes and near spelling, and bears any input."""

import random

import pytest
from django.db import connection

from apps.risks.models import Risk
from apps.risks.models.risk import searchable
from apps.risks.store import store
from tests.risks.corpus import REGISTER, read_string

pytestmark = pytest.mark.django_db

RISKS = REGISTER + (
    "| SEC-004 | Security | Encryption is not enforced | Low (1) | High (3) | 3 | Low |\n"
    "| PERF-001 | Performance | Connection pool too small | Low (1) | Medium (2) | 2 | Low |\n"
    "\n### PERF-001: Connection pool too small\n\n**Description**: Requests wait for sessions.\n"
)


@pytest.fixture(autouse=True)
def register() -> None:
    store(read_string(RISKS))


def codes(text: str) -> list[str]:
    return [risk.code for risk in Risk.objects.search(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("encryption", ["SEC-004"]),
        ("enforcing encryption", ["SEC-004"]),
        ("SEC-004", ["SEC-004"]),
        ("sec-004", ["SEC-004"]),
        ("waiting requests", ["PERF-001"]),
        ("conection pool", ["PERF-001"]),
        ("keys -mail", []),
        ('"pool too small"', ["PERF-001"]),
        ('"small too pool"', []),
        ("zebra", []),
        ("the", []),
    ],
)
def test_words_codes_and_near_spellings_are_found(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "\0",
        "x" * 10_000,
        "x y " * 2_500,
        "' OR 1=1 --",
        '"',
        '"\'";$$\\',
        "!!! & | <-> ( :*",
        "-" * 300,
        "- " * 100,
        "%_%",
        "\ud800",
        "𝕏 ｘ 日本語",
    ],
)
def test_no_text_is_an_error(text: str) -> None:
    assert codes(text) == []


def test_no_mixture_of_signs_is_an_error() -> None:
    chance = random.Random(3)
    signs = ["-", '"', "a", " ", "!", "|", "&", "(", ")", "OR ", "<->", ":*", "'", "\\", "é", '-"']
    for length in (5, 30, 100, 200) * 100:
        found = codes("".join(chance.choice(signs) for _ in range(length)))
        assert len(found) == len(set(found)), found


def test_a_nul_byte_separates_words_and_long_texts_are_cut() -> None:
    assert codes("encryption\0enforced") == ["SEC-004"]
    assert codes("encryption " + " " * 10_000 + "zebra") == ["SEC-004"]
    assert len(searchable("x" * 10_000)) == 200


def test_the_best_match_comes_first() -> None:
    assert codes("pool OR keys")[0] in {"PERF-001", "SEC-001"}
    assert set(codes("pool OR keys")) == {"PERF-001", "SEC-001"}


def test_each_part_of_the_search_has_an_index_that_the_planner_can_use() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = Risk.objects.search("pool").order_by().values("pk").explain()
    assert "risks_risk_search" in plan
    assert "risks_risk_title_near" in plan
    assert "risks_risk_code_once" in plan


def test_components_are_found_through_their_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "risks_risk_affected" in Risk.objects.filter(affected__contains=["x"]).explain()
