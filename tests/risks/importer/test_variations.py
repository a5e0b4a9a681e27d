"""How real documents differ: one document of the corpus for each variation."""

import pytest

from apps.risks.importer.codes import read_coded_heading
from apps.risks.importer.document import GroupedText, ProfileDocument
from tests.risks.corpus import REGISTER, documents, read, read_string


def ratings(document: ProfileDocument) -> dict[str, tuple[int | None, int | None, int | None]]:
    return {r.code: (r.probability.value, r.impact.value, r.score) for r in document.risks}


def test_columns_may_stand_in_any_order_under_short_names() -> None:
    document = read("columns_category_last")
    assert document.level == "full"
    assert ratings(document) == {"PERF-001": (3, 3, 9), "DATA-001": (2, 3, 6), "OPS-001": (1, 2, 2)}
    assert [risk.category for risk in document.risks] == ["Performance", "Data", "Operational"]
    assert [risk.score_stated for risk in document.risks] == [9, 6, 2]
    assert document.discrepancies == ()
    assert dict(document.risks[0].cells)["Status"] == "Open"


def test_cells_are_read_in_all_their_forms_and_nothing_is_invented() -> None:
    document = read("cell_forms")
    assert document.level == "partial"
    assert ratings(document) == {
        "TECH-001": (2, 3, 6),
        "TECH-002": (2, 3, 6),
        "TECH-003": (1, 2, 2),
        "TECH-004": (2, 3, 6),
        "TECH-005": (2, 1, 2),
        "TECH-006": (None, 3, None),
        "TECH-007": (3, 3, 9),
        "TECH-008": (2, 3, 6),
        "TECH-009": (2, 3, 6),
        "TECH-010": (2, 2, 4),
        "TECH-011": (None, None, None),
        "TECH-012": (None, 3, None),
    }
    assert document.risks[5].probability.raw == "Low-Medium (1.5)"
    assert document.discrepancies == ()


def test_another_scale_leaves_every_risk_unrated_with_its_text() -> None:
    document = read("other_scale")
    assert document.level == "partial"
    assert set(ratings(document).values()) == {(None, None, None)}
    assert document.risks[2].probability.raw == "High (4)"
    assert document.discrepancies == ()


def test_details_without_a_table_are_the_register() -> None:
    document = read("details_only")
    assert document.level == "full"
    assert ratings(document) == {
        "SEC-001": (3, 3, 9),
        "DATA-002": (2, 3, 6),
        "PERF-003": (1, 2, 2),
        "OPS-004": (2, 3, 6),
        "BUS-005": (1, 1, 1),
    }
    assert document.discrepancies == ()
    assert (str(document.date), document.reviewer) == ("2025-04-05", "Platform group")


def test_mitigations_are_read_from_groups_prose_ticks_and_tables() -> None:
    risks = {risk.code: risk for risk in read("details_only").risks}
    assert risks["SEC-001"].mitigations == (
        GroupedText("Rotate the identifier at login", "Preventive"),
        GroupedText("Refuse identifiers from the address", "Preventive"),
        GroupedText("Count identifiers that change country", "Detective"),
    )
    assert [item.text for item in risks["DATA-002"].mitigations] == [
        "Write to a temporary name and rename it when the checksum agrees."
    ]
    assert [item.text for item in risks["OPS-004"].mitigations] == [
        "Page the person on duty",
        "Alarm on the queue's age",
        "Rehearse the runbook",
    ]
    assert risks["DATA-002"].components == ("upload view", "object store")
    assert risks["SEC-001"].residual_level == "Low"


def test_bold_paragraphs_and_numbered_lines_begin_details() -> None:
    document = read("bold_paragraphs")
    assert ratings(document) == {
        "TECH-001": (2, 3, 6),
        "SEC-002": (2, 2, 4),
        "OPS-003": (1, 2, 2),
        "OPS-004": (1, 3, 3),
    }
    first = document.risks[0]
    assert first.title == "The cache serves another tenant"
    assert [item.text for item in first.mitigations] == [
        "Put the tenant into every key",
        "Testing: read with two tenants at once",
    ]
    assert [item.text for item in first.testing_focus] == ["Two tenants, one key"]
    assert [item.text for item in document.risks[2].mitigations] == ["Take an advisory lock"]


def test_other_prefixes_suffixes_and_hyphens_make_codes() -> None:
    document = read("prefixes_and_suffixes")
    assert [risk.code for risk in document.risks] == [
        "TEST-001",
        "TECH-001-OCI-URL",
        "INT-02",
        "MNT-003",
    ]
    assert document.level == "full"


def test_a_code_twice_in_a_roll_up_keeps_both_rows() -> None:
    document = read("epic_roll_up")
    assert document.profile == "epic-6"
    assert [(risk.code, risk.occurrence, risk.origin) for risk in document.risks] == [
        ("TECH-001", 1, "6.1"),
        ("TECH-001", 2, "6.2"),
        ("SEC-001", 1, "6.2"),
    ]
    assert [(entry.kind, entry.risk, entry.stated) for entry in document.discrepancies] == [
        ("duplicate_code", "TECH-001", "2")
    ]


def test_version_six_has_its_own_priorities() -> None:
    document = read("version_six")
    assert document.methodology == "bmad-6"
    assert [(risk.code, risk.score, risk.priority) for risk in document.risks] == [
        ("R-001", 6, "High"),
        ("R-002", 4, "Medium"),
        ("R-003", 3, "Medium"),
        ("R-004", 2, "Low"),
    ]
    assert [item.text for item in document.risks[0].mitigations] == [
        "Redact the header",
        "Rotate keys",
    ]
    assert document.risks[0].category == "Security"


def test_a_second_table_adds_only_what_the_first_has_not() -> None:
    document = read("two_tables")
    assert [(risk.code, risk.occurrence) for risk in document.risks] == [
        ("SEC-001", 1),
        ("OPS-001", 1),
        ("BUS-001", 1),
    ]
    assert document.discrepancies == ()


@pytest.mark.parametrize("name", ["no_table", "no_ids"])
def test_a_document_without_codes_is_unstructured(name: str) -> None:
    document = read(name)
    assert (document.level, document.risks, document.discrepancies) == ("unstructured", (), ())


def test_no_risks_on_purpose_is_a_full_document() -> None:
    document = read("no_risks")
    assert (document.level, document.risks, document.discrepancies) == ("full", (), ())


def test_japanese_headings_and_full_width_signs_are_read() -> None:
    document = read("japanese")
    assert (document.level, document.profile, document.reviewer) == ("full", "3.2", "品質担当")
    assert ratings(document) == {"SEC-001": (2, 3, 6), "OPS-001": (1, 2, 2)}
    assert [risk.priority_stated for risk in document.risks] == ["High", "Low"]
    assert len(document.risks[0].mitigations) == 2
    assert document.risks[0].residual_level == "Low"
    assert document.summary.total is not None
    assert document.summary.total.value == "2"
    assert document.discrepancies == ()


def test_front_matter_comments_links_and_bars_do_not_disturb() -> None:
    document = read("front_matter_and_comments")
    assert (document.profile, document.reviewer, str(document.date)) == (
        "6.4",
        "Quality desk",
        "2025-06-07",
    )
    assert ratings(document) == {"SEC-001": (2, 3, 6), "SEC-002": (1, 3, 3), "SEC-003": (3, 3, 9)}
    assert document.risks[0].title == "login.py has a | b in it"
    assert document.risks[2].title == "Plain | escaped"
    assert document.risks[0].place.line == 16


def test_a_script_in_a_title_stays_text() -> None:
    risk = read("front_matter_and_comments").risks[1]
    assert risk.title == "Tab & <b>bold</b> <script>alert(1)</script>"


def test_a_rule_right_under_a_field_is_no_heading() -> None:
    text = "# Risk Profile: Story 1.1\n\n### SEC-001: Keys\n**Score**: 6\n---\n**Probability**: 2\n"
    risk = read_string(text + "**Impact**: 3\n").risks[0]
    assert (risk.score_stated, risk.score) == (6, 6)


def test_the_sections_after_the_register_are_read() -> None:
    document = read("sections")
    assert [(test.priority, test.code, test.text) for test in document.priority_tests] == [
        (1, "SEC-001", "Send a mail with a planted key"),
        (1, "SEC-001", "Read the archive"),
        (1, "SEC-001", "Rotate a key (SEC-001)"),
        (3, "", "Send a mail"),
    ]
    assert [(criterion.tier, criterion.text) for criterion in document.acceptance] == [
        ("must_fix", "SEC-001 with its tests"),
        ("accepted", "Everything below a score of four."),
    ]
    assert [item.text for item in document.monitoring] == [
        "Keys seen in mails — at once",
        "Mails a minute",
    ]
    assert document.review_triggers == (
        "The mail provider changes",
        "A key is found in the archive",
    )
    assert document.immediate_actions == ("Remove the key\n- and from the archive", "Rotate it")
    assert document.documentation == ("How keys are rotated",)
    assert document.risks[0].affected == ("mailer", "templates (all, also old)")


@pytest.mark.parametrize(
    ("title", "name", "key"),
    [
        ("Risk Profile: Story 1.3", "x.md", "1.3"),
        ("Risk Profile: Story 5.2 - Login in 2.0 seconds", "x.md", "5.2"),
        ("Risk Profile", "2.1-risk-20250101.md", "2.1"),
        ("Risk Profile", "2.1-risk-20250101-142530.md", "2.1"),
        ("Risk Profile: Epic 4", "x.md", "epic-4"),
        ("Risk Profile: Holdfast", "risk-profile.md", "holdfast"),
        ("Risk Profile", "somewhere.md", "somewhere"),
    ],
)
def test_the_profile_is_named_by_title_or_file(title: str, name: str, key: str) -> None:
    text = REGISTER.replace("Risk Profile: Story 1.1", title)
    assert read_string(text, f"docs/{name}").profile == key


def test_every_document_of_the_corpus_is_read_twice_alike() -> None:
    for path in documents():
        first, second = (read_string(path.read_text(encoding="utf-8"), path.name) for _ in "ab")
        assert first == second


DETAIL = """# Risk Profile: Story 1.1

### SEC-001: Keys in a mail

**Score**: 6
**Probability**: Medium
**Impact**: High

**Mitigation**:
1. OPS-001 is closed first
2. Scan the archive

**Evidence at hand**: two mails

#### Monitoring

- Mails with keys

**Residual Risk**: Low
"""


def test_codes_labels_and_headings_inside_a_block_do_not_end_it() -> None:
    document = read_string(DETAIL)
    (risk,) = document.risks
    assert [item.text for item in risk.mitigations] == [
        "OPS-001 is closed first",
        "Scan the archive",
    ]
    assert risk.residual_level == "Low"
    assert document.monitoring == ()


def test_a_field_outside_the_list_of_a_risk_is_not_its_own() -> None:
    text = "# Risk Profile: Story 1.1\n\n- Mail\n  - **SEC-001: Keys**\n    - Score: 6\n"
    (risk,) = read_string(text + "- Impact: High\n").risks
    assert (risk.score_stated, risk.impact.value) == (6, None)


@pytest.mark.parametrize(
    ("heading", "code", "title", "score"),
    [
        ("1. TECH-001: Slow start", "TECH-001", "Slow start", ""),
        ("TECH-001 — Slow start (Score 6)", "TECH-001", "Slow start", "6"),
        ("2) [TECH-001]: Slow start", "TECH-001", "Slow start", ""),
        ("High Risk: TECH-001", "TECH-001", "", ""),
        ("🔴 Critical Risk #1: TECH-001 – Slow start", "TECH-001", "Slow start", ""),
        ("Risk 3: R-003 Slow start [Score: 9]", "R-003", "Slow start", "9"),
        ("TECH‑001：Slow start", "TECH-001", "Slow start", ""),
    ],
)
def test_a_heading_names_its_risk(heading: str, code: str, title: str, score: str) -> None:
    found = read_coded_heading(heading)
    assert found is not None
    assert (found.code, found.title, found.score) == (code, title, score)


@pytest.mark.parametrize(
    "heading",
    [
        "TECH-001, TECH-002: Shared cause",
        "TECH-001 and TECH-002",
        "UTF-8 in titles",
        "SHA-256 everywhere",
        "ISO-27001 audit",
        "About TECH-001",
        "Mitigation",
    ],
)
def test_a_heading_that_names_no_single_risk_begins_none(heading: str) -> None:
    assert read_coded_heading(heading) is None


def test_fields_may_stand_in_a_table_of_their_own() -> None:
    text = "# Risk Profile: Story 1.1\n\n### SEC-001: Keys\n\n| Field | Value |\n|---|---|\n"
    text += "| Probability | Medium (2) |\n| Impact | High (3) |\n| Score | 6 |\n"
    text += "| Mitigation | Scan |\n"
    (risk,) = read_string(text).risks
    assert (risk.score, risk.score_stated, [item.text for item in risk.mitigations]) == (
        6,
        6,
        ["Scan"],
    )
