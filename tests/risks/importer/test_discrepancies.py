"""Each kind of contradiction is found, and the same document without it is quiet."""

import pytest

from apps.risks.importer.discrepancies import KINDS
from tests.risks.corpus import REGISTER, read, read_string

SUMMARY = """
## Executive Summary

- Total Risks Identified: 2
- Critical Risks: 0
- High Risks: 1
- Medium Risks: 0
- Low Risks: 1
- Risk Score: 88/100

Gate: CONCERNS

### By Category

- **Security**: 1 risk (0 critical, 1 high, 0 medium, 0 low)
- **Operational**: 1 risk (0 critical, 0 high, 0 medium, 1 low)

## Details

### SEC-001: Keys in a mail

**Score: 6 (High)**
**Probability**: Medium
**Impact**: High

```yaml
risk_summary:
  totals: {}
totals:
  critical: 0
  high: 1
  medium: 0
  low: 1
```
"""
SOUND = REGISTER + SUMMARY.replace("  totals: {}\n", "")


def found(text: str) -> list[tuple[str, str, str]]:
    return [(entry.kind, entry.stated, entry.computed) for entry in read_string(text).discrepancies]


def test_the_sound_document_is_quiet() -> None:
    document = read_string(SOUND)
    assert document.discrepancies == ()
    assert document.summary.gate is not None
    assert len(document.summary.yaml_totals) == 4


@pytest.mark.parametrize(
    ("printed", "instead", "expected"),
    [
        ("Identified: 2", "Identified: 3", [("total_risks", "3", "2"), ("category_sum", "3", "2")]),
        ("High Risks: 1", "High Risks: 2", [("tier_count", "2", "1")]),
        ("Medium Risks: 0", "Medium Risks (Score 4): 5", [("tier_count", "5", "0")]),
        ("88/100", "66/100", [("story_score", "66", "88")]),
        ("Gate: CONCERNS", "Gate: PASS", [("gate_word", "PASS", "CONCERNS")]),
        ("Gate: CONCERNS", "**Gate Decision**: FAIL", [("gate_word", "FAIL", "CONCERNS")]),
        ("Gate: CONCERNS", "Gate: WAIVED", []),
        (
            "1 high, 0 medium, 0 low",
            "0 high, 0 medium, 1 low",
            [
                ("category_tier_count", "0", "1"),
                ("category_tier_count", "1", "0"),
            ],
        ),
        (
            "**Security**: 1 risk (0 critical, 1 high, 0 medium, 0 low)",
            "**Security**: 1 risk (1 critical, 1 high)",
            [
                ("category_tier_count", "1", "0"),
                ("category_sum", "1", "2"),
            ],
        ),
        (
            "**Security**: 1 risk (0 critical, 1 high, 0 medium, 0 low)",
            "**Security**: 1 risk (0 critical)",
            [],
        ),
        (
            "**Security**: 1 risk (",
            "**Security**: 2 risks (",
            [("category_sum", "2", "3"), ("category_count", "2", "1"), ("category_sum", "2", "1")],
        ),
        ("| 6 | High |", "| 9 | High |", [("score_product", "9", "6")]),
        ("| 6 | High |", "| 6 | Critical |", [("priority_label", "Critical", "High")]),
        ("| Medium (2) | High (3) |", "| Low (2) | High (3) |", [("scale_label", "Low", "Medium")]),
        ("**Score: 6 (High)**", "**Score: 9 (Critical)**", [("detail_mismatch", "9", "6")]),
        ("**Score: 6 (High)**", "**Score: 6 (Low)**", [("priority_label", "Low", "High")]),
        ("**Impact**: High", "**Impact**: Low (1)", [("detail_mismatch", "Low", "High")]),
        ("### SEC-001: Keys", "### SEC-007: Keys", [("missing_in_table", "SEC-007", "absent")]),
        ("  high: 1", "  high: 4", [("yaml_total", "4", "1")]),
        ("  high: 1", "  high: X", []),
    ],
)
def test_one_changed_word_gives_exactly_its_discrepancy(
    printed: str, instead: str, expected: list[tuple[str, str, str]]
) -> None:
    assert SOUND.count(printed) == 1
    assert found(SOUND.replace(printed, instead)) == expected


def test_a_row_too_many_contradicts_every_count() -> None:
    row = "| OPS-001 | Operational | No rotation | Low (1) | Medium (2) | 2 | Low |\n"
    kinds = {kind for kind, _, _ in found(SOUND.replace(row, row * 2))}
    assert kinds == {
        "duplicate_code",
        "total_risks",
        "tier_count",
        "category_count",
        "category_tier_count",
        "yaml_total",
        "story_score",
    }


def test_an_unrated_risk_may_have_any_priority() -> None:
    text = SOUND.replace("| Low (1) | Medium (2) | 2 | Low |", "| TBD | TBD | | |")
    assert found(text) == []
    assert ("tier_count", "4", "1") in found(text.replace("High Risks: 1", "High Risks: 4"))


def test_lines_and_sections_are_those_of_the_source() -> None:
    for entry in read_string(SOUND.replace("88/100", "66/100")).discrepancies:
        lines = SOUND.split("\n")
        assert (entry.place.where, lines[entry.place.line - 1]) == (
            "Executive Summary",
            "- Risk Score: 88/100",
        )


def test_a_document_full_of_contradictions_shows_every_kind_but_duplicates() -> None:
    kinds = {entry.kind for entry in read("contradictions").discrepancies}
    assert set(KINDS) - kinds == {"duplicate_code", "category_count"}
