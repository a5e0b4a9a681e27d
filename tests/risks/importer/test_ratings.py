"""Printed probabilities, impacts and scores: read where they are the method's, never invented."""

import pytest

from apps.risks.importer.ratings import on_one_scale, read_priority, read_rating, read_score


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("Medium (2)", 2),
        ("2", 2),
        ("Medium", 2),
        ("Med", 2),
        ("M (2)", 2),
        ("H", 3),
        ("High (80%)", 3),
        ("High (3/3)", 3),
        ("High（３）", 3),
        ("🔴 High", 3),
        ("中 (2)", 2),
        ("高", 3),
        ("2 - Medium", 2),
        ("2 (Medium)", 2),
        ("Very Low (1)", 1),
        ("Medium - it needs 3 settings", 2),
        ("Medium—because of 3 settings", 2),
        ("High: 2 outages last year", 3),
        ("Low → Medium", 2),
        ("Low-Medium (1.5)", None),
        ("Medium–High", None),
        ("Low to Medium", None),
        ("6/10", None),
        ("2/10", None),
        ("80%", None),
        ("4", None),
        ("0", None),
        ("Very Low", None),
        ("Likely", None),
        ("TBD", None),
        ("3 services stop", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_a_rating_is_read_or_left_open(printed: str, value: int | None) -> None:
    assert read_rating(printed).value == value
    assert read_rating(printed).raw == printed


@pytest.mark.parametrize(
    ("printed", "label"),
    [
        ("Very Low (1)", "Very Low"),
        ("Medium (3)", "Medium"),
        ("Critical (3)", "Critical"),
        ("Medium (2)", ""),
        ("Med (2)", ""),
        ("中 (2)", ""),
        ("Możliwe (2)", ""),
        ("2", ""),
        ("Very Low", ""),
    ],
)
def test_a_word_that_its_number_contradicts_is_told(printed: str, label: str) -> None:
    assert read_rating(printed).contradicted_label == label


@pytest.mark.parametrize(
    ("printed", "value", "priority"),
    [
        ("6", 6, ""),
        ("**6**", 6, ""),
        ("6*", 6, ""),
        ("6 (HIGH)", 6, "High"),
        ("High (6)", 6, "High"),
        ("6 - High", 6, "High"),
        ("6/9", 6, ""),
        ("2 × 3 = 6", 6, ""),
        ("8 → 6", 6, ""),
        ("6（高）", 6, "High"),
        ("25", 25, ""),
        ("12/100", None, ""),
        ("4.5", None, ""),
        ("N/A", None, ""),
        ("", None, ""),
        ("9" * 5000, None, ""),
    ],
)
def test_a_score_is_read_or_left_open(printed: str, value: int | None, priority: str) -> None:
    assert (read_score(printed).value, read_score(printed).priority) == (value, priority)


@pytest.mark.parametrize(
    ("printed", "word"),
    [
        ("HIGH", "High"),
        ("🟠 Medium", "Medium"),
        ("low risk", "Low"),
        ("P1", ""),
        ("Medium-High", ""),
    ],
)
def test_only_the_five_words_are_priorities(printed: str, word: str) -> None:
    assert read_priority(printed) == word


def test_one_slip_leaves_the_other_ratings_alone() -> None:
    printed = [("Medium (2)", "High (3)"), ("Low (1)", "High (3)"), ("High (4)", "Low (1)")]
    pairs = on_one_scale((read_rating(p), read_rating(i)) for p, i in printed)
    assert [(p.value, i.value) for p, i in pairs] == [(2, 3), (1, 3), (None, 1)]


def test_on_a_scale_of_five_no_number_is_trusted() -> None:
    printed = [("2", "3"), ("4", "5"), ("Medium (3)", "High (4)"), ("Low (1)", "Low (1)")]
    pairs = on_one_scale((read_rating(p), read_rating(i)) for p, i in printed)
    assert {rating.value for pair in pairs for rating in pair} == {None}


def test_words_on_a_scale_of_five_are_not_trusted_where_low_ones_prevail() -> None:
    printed = [("Low (1)", "Low (1)")] * 3 + [("Medium (3)", "High (5)"), ("Medium (3)", "Low (1)")]
    pairs = on_one_scale((read_rating(p), read_rating(i)) for p, i in printed)
    assert {rating.value for pair in pairs for rating in pair} == {None}
