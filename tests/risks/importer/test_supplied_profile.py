"""The supplied profile, against what was counted in it by hand."""

from collections import Counter

import pytest

from apps.risks.importer.document import ProfileDocument
from apps.risks.importer.read import read_profile
from apps.risks.method import document_gate
from tests.risks.corpus import supplied_path

DISCREPANCIES = [
    ("total_risks", 8, None, "", "22", "23"),
    ("tier_count", 11, None, "Medium", "7", "5"),
    ("tier_count", 12, None, "Low", "10", "13"),
    ("story_score", 13, None, "", "66", "0"),
    ("category_tier_count", 187, None, "Technical Medium", "3", "2"),
    ("category_tier_count", 187, None, "Technical Low", "1", "2"),
    ("category_count", 191, None, "Operational", "3", "4"),
    ("category_tier_count", 191, None, "Operational Medium", "3", "2"),
    ("category_tier_count", 191, None, "Operational Low", "0", "2"),
    ("score_product", 224, "DATA-004", "score", "1", "3"),
    ("priority_label", 224, "DATA-004", "priority", "Minimal", "Low"),
    ("scale_label", 224, "DATA-004", "probability", "Very Low", "Low"),
]


@pytest.fixture(scope="module")
def profile() -> ProfileDocument:
    return read_profile(supplied_path())


def test_the_head_is_read(profile: ProfileDocument) -> None:
    assert (profile.level, profile.profile, profile.title) == (
        "full",
        "1.3",
        "Risk Profile: Story 1.3",
    )
    assert str(profile.date) == "2025-01-27"
    assert profile.reviewer == "Quinn (Test Architect)"
    assert profile.methodology == "bmad-4"
    assert profile.summary.text.startswith("Overall Assessment: Moderate risk profile")


def test_all_23_risks_are_read_with_their_ratings(profile: ProfileDocument) -> None:
    codes = [risk.code for risk in profile.risks]
    assert len(codes) == len(set(codes)) == 23
    assert Counter(risk.score for risk in profile.risks) == {6: 5, 4: 5, 3: 8, 2: 5}
    assert Counter(risk.category for risk in profile.risks) == {
        "Technical": 6,
        "Security": 5,
        "Performance": 3,
        "Data": 5,
        "Operational": 4,
    }


def test_the_counts_are_those_of_the_document(profile: ProfileDocument) -> None:
    assert profile.counts == {
        "components": 20,
        "mitigations": 30,
        "testing_focus": 20,
        "monitoring": 17,
        "review_triggers": 8,
        "priority_tests": 54,
        "immediate_actions": 5,
        "documentation": 8,
    }


def test_each_detail_block_holds_its_own_lists(profile: ProfileDocument) -> None:
    details = {
        risk.code: (
            len(risk.components),
            len(risk.mitigations),
            len(risk.testing_focus),
            risk.residual_level,
        )
        for risk in profile.risks
        if risk.has_detail
    }
    assert details == {
        "TECH-001": (4, 5, 4, "Low"),
        "TECH-003": (3, 6, 4, "Medium"),
        "SEC-001": (5, 7, 4, "Low"),
        "DATA-002": (4, 6, 4, "Medium"),
        "SEC-004": (4, 6, 4, "Low"),
    }


def test_the_tests_belong_to_their_risks(profile: ProfileDocument) -> None:
    counted = Counter((test.priority, test.code) for test in profile.priority_tests)
    assert counted == {
        (1, "TECH-001"): 6,
        (1, "TECH-003"): 5,
        (1, "SEC-001"): 5,
        (1, "SEC-004"): 5,
        (1, "DATA-002"): 5,
        (2, "TECH-002"): 4,
        (2, "TECH-005"): 5,
        (2, "PERF-001"): 4,
        (2, "OPS-001"): 4,
        (2, "OPS-002"): 4,
        (3, ""): 7,
    }


def test_the_acceptance_tiers_name_their_risks(profile: ProfileDocument) -> None:
    assert [
        (criterion.tier, len(criterion.codes), len(criterion.points))
        for criterion in profile.acceptance
    ] == [
        ("must_fix", 5, 5),
        ("can_deploy", 5, 5),
        ("accepted", 0, 0),
        ("accepted", 1, 0),
    ]


def test_eight_risks_stand_in_no_component_line(profile: ProfileDocument) -> None:
    named = {code for group in profile.component_groups for code in group.codes}
    assert len(profile.component_groups) == 7
    assert {risk.code for risk in profile.risks} - named == {
        "TECH-006",
        "SEC-002",
        "SEC-003",
        "SEC-005",
        "PERF-003",
        "DATA-002",
        "DATA-005",
        "OPS-003",
    }


def test_exactly_its_contradictions_are_found(profile: ProfileDocument) -> None:
    found = [
        (entry.kind, entry.place.line, entry.risk, entry.subject, entry.stated, entry.computed)
        for entry in profile.discrepancies
    ]
    assert sorted(found, key=str) == sorted(DISCREPANCIES, key=str)
    assert {entry.place.where for entry in profile.discrepancies} == {
        "Executive Summary",
        "Risk Distribution",
        "Detailed Risk Register",
    }


def test_its_gate_by_the_method_is_concerns(profile: ProfileDocument) -> None:
    assert document_gate(risk.score for risk in profile.risks if risk.score) == "CONCERNS"
