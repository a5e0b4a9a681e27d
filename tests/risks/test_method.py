"""The method's arithmetic."""

import pytest

from apps.risks.method import BMAD_4, BMAD_6, document_gate, priority, score, story_score


@pytest.mark.parametrize(
    ("value", "four", "six"),
    [
        (9, "Critical", "Critical"),
        (6, "High", "High"),
        (4, "Medium", "Medium"),
        (3, "Low", "Medium"),
        (2, "Low", "Low"),
        (1, "Minimal", "Low"),
        (5, None, None),
        (None, None, None),
    ],
)
def test_priorities_of_both_versions(value: int | None, four: str | None, six: str | None) -> None:
    assert (priority(value, BMAD_4), priority(value, BMAD_6)) == (four, six)


def test_a_score_needs_both_ratings_from_one_to_three() -> None:
    assert score(2, 3) == 6
    assert score(None, 3) is None
    assert score(2, None) is None
    assert score(4, 1) is None


def test_the_story_score_stays_between_nothing_and_a_hundred() -> None:
    assert story_score([]) == 100
    assert story_score([9, 6, 4, 2, 1]) == 100 - 20 - 10 - 5 - 2
    assert story_score([9] * 6) == 0


def test_the_document_gate_goes_by_the_worst_score() -> None:
    assert document_gate([]) == "PASS"
    assert document_gate([4, 3]) == "PASS"
    assert document_gate([6, 1]) == "CONCERNS"
    assert document_gate([9, 1]) == "FAIL"
