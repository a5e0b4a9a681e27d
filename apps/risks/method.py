"""The arithmetic of the method: scores, priorities, the story score and the document gate."""

from collections.abc import Iterable
from typing import Final

BMAD_4: Final = "bmad-4"
BMAD_6: Final = "bmad-6"
METHODOLOGIES: Final = (BMAD_4, BMAD_6)

RATING_WORDS: Final = {1: "Low", 2: "Medium", 3: "High"}
PRIORITIES: Final = ("Critical", "High", "Medium", "Low", "Minimal")
SCORES: Final = frozenset({1, 2, 3, 4, 6, 9})

PASS: Final = "PASS"
CONCERNS: Final = "CONCERNS"
FAIL: Final = "FAIL"
WAIVED: Final = "WAIVED"
GATE_WORDS: Final = (PASS, CONCERNS, FAIL, WAIVED)

_FAILING_SCORE: Final = 9
_CONCERNING_SCORE: Final = 6
_DEDUCTIONS: Final = {"Critical": 20, "High": 10, "Medium": 5, "Low": 2, "Minimal": 0}
_PRIORITY_OF_SCORE: Final = {
    BMAD_4: {9: "Critical", 6: "High", 4: "Medium", 3: "Low", 2: "Low", 1: "Minimal"},
    BMAD_6: {9: "Critical", 6: "High", 4: "Medium", 3: "Medium", 2: "Low", 1: "Low"},
}


def score(probability: int | None, impact: int | None) -> int | None:
    """P × I, or None where either is not rated from 1 to 3."""
    if probability not in RATING_WORDS or impact not in RATING_WORDS:
        return None
    return probability * impact


def priority(value: int | None, methodology: str = BMAD_4) -> str | None:
    """The priority of a score, or None where the score is none that P × I can give."""
    return None if value is None else _PRIORITY_OF_SCORE[methodology].get(value)


def story_score(scores: Iterable[int], methodology: str = BMAD_4) -> int:
    """100 less what each risk deducts, from 0 to 100; 100 is best."""
    deducted = sum(_DEDUCTIONS[priority(value, methodology) or "Minimal"] for value in scores)
    return max(0, min(100, 100 - deducted))


def document_gate(scores: Iterable[int]) -> str:
    """PASS, CONCERNS or FAIL from the assessed scores alone; a waiver is a person's decision."""
    highest = max(scores, default=0)
    if highest >= _FAILING_SCORE:
        return FAIL
    return CONCERNS if highest >= _CONCERNING_SCORE else PASS
