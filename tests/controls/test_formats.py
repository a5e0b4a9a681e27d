"""Every format says the same, can be parsed, and keeps its order; hostile text stays text."""

import datetime
import io
import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from django.core.management import CommandError, call_command
from django.core.management.color import color_style
from jsonschema import Draft202012Validator, FormatChecker
from markdown_it import MarkdownIt

from apps.controls.assess import Report
from apps.controls.changes import Change
from apps.controls.control import Finding, Level, State, Verdict
from apps.controls.report import FORMATS, render
from apps.controls.suppressions import Suppression, suppress
from config.env import BASE_DIR

HOSTILE = 'a|b `c` <script>alert(1)</script> *d* ]]> "e" \x07\x1b[31m & é'
AT = datetime.datetime(2026, 11, 25, 9, 30, 0, tzinfo=datetime.UTC)
UNTIL = datetime.date(2027, 6, 30)
SCHEMA = json.loads((BASE_DIR / "docs" / "assess.schema.json").read_text())
# What SARIF 2.1.0 demands of the parts that are written here; a published schema is not at hand.
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "maxItems": 1, "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "text": {
            "type": "object",
            "required": ["text"],
            "additionalProperties": False,
            "properties": {"text": {"type": "string", "minLength": 1}},
        },
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "additionalProperties": False,
            "properties": {
                "tool": {
                    "type": "object",
                    "required": ["driver"],
                    "properties": {
                        "driver": {
                            "type": "object",
                            "required": ["name"],
                            "additionalProperties": False,
                            "properties": {
                                "name": {"type": "string"},
                                "rules": {
                                    "type": "array",
                                    "uniqueItems": True,
                                    "items": {
                                        "type": "object",
                                        "required": ["id"],
                                        "additionalProperties": False,
                                        "properties": {
                                            "id": {"type": "string"},
                                            "shortDescription": {"$ref": "#/$defs/text"},
                                            "properties": {"type": "object"},
                                        },
                                    },
                                },
                            },
                        }
                    },
                },
                "invocations": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["executionSuccessful"],
                        "properties": {
                            "executionSuccessful": {"type": "boolean"},
                            "startTimeUtc": {"type": "string", "pattern": "Z$"},
                            "endTimeUtc": {"type": "string", "pattern": "Z$"},
                        },
                    },
                },
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                "properties": {"type": "object"},
            },
        },
        "result": {
            "type": "object",
            "required": ["message", "ruleId", "kind", "level"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "kind": {"enum": ["notApplicable", "pass", "fail", "review", "open"]},
                "level": {"enum": ["none", "note", "warning", "error"]},
                "message": {"$ref": "#/$defs/text"},
                "locations": {"type": "array", "minItems": 1, "items": {"type": "object"}},
                "partialFingerprints": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                },
                "suppressions": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["kind"],
                        "additionalProperties": False,
                        "properties": {
                            "kind": {"enum": ["inSource", "external"]},
                            "status": {"enum": ["accepted", "underReview", "rejected"]},
                            "justification": {"type": "string"},
                        },
                    },
                },
            },
            # Of a result that is no failure the level must be none.
            "if": {"properties": {"kind": {"const": "fail"}}},
            "then": {"properties": {"level": {"enum": ["note", "warning", "error"]}}},
            "else": {"properties": {"level": {"const": "none"}}},
        },
    },
}


def finding(subject: str, level: Level = Level.ERROR) -> Finding:
    return Finding(level, "Wrong", subject, HOSTILE, "DROP INDEX x;\n```\nSELECT 1;", "SEC-009.1")


def report() -> Report:
    """Verdicts of each state, a suppression, a change, and text that a format could break on."""
    verdicts = [
        Verdict(
            "SEC-008.1", "SEC-008", "Hides", State.FAIL, None, (finding("public.archive_1"),), {}
        ),
        Verdict(
            *("SEC-009.1", "SEC-009", f"Fails {HOSTILE}", State.FAIL, None),
            (finding("a"), finding(HOSTILE, Level.WARNING), finding("c", Level.INFO)),
            {"number": 3},
            12.34,
        ),
        Verdict("SEC-009.2", "SEC-009", "Passes", State.PASS, None, ()),
        Verdict("SEC-009.3", "SEC-009", "Dark", State.UNKNOWN, f"GRANT {HOSTILE}", ()),
        Verdict("SEC-009.10", "SEC-009", "Local", State.NOT_APPLICABLE, "No network.", ()),
    ]
    entries = [
        Suppression("SEC-008.1", "public.archive_*", "Never | read.", "data `team`", UNTIL),
        Suppression("SEC-009.1", "gone", "reason", "owner", UNTIL),
        Suppression("SEC-009.1", "a", "reason", "owner", AT.date() - datetime.timedelta(days=1)),
    ]
    applied = suppress(verdicts, entries, AT.date())
    return Report(
        database="db.example:5432/shop",
        role=HOSTILE,
        server_version="18.6",
        started_at=AT,
        duration_seconds=1.5,
        verdicts=applied.verdicts,
        expired=applied.expired,
        unused=applied.unused,
        changes=(Change("SEC-009.2", State.FAIL, State.PASS, (), (("b", "Wrong"),), AT),),
    )


@pytest.mark.parametrize("form", FORMATS)
def test_two_runs_say_the_same_in_the_same_order(form: str) -> None:
    said = render(report(), form)
    assert said == render(report(), form)
    places = [said.index(f"SEC-009.{number}") for number in ("1", "2", "3", "10")]
    assert said.index("SEC-008.1") < places[0] or form == "markdown" or form == "table"
    assert places[2] < places[3]


def test_json_fits_the_documented_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    validator = Draft202012Validator(SCHEMA, format_checker=FormatChecker())
    said = json.loads(render(report(), "json"))
    assert list(validator.iter_errors(said)) == []
    assert said["totals"] == {"pass": 2, "fail": 1, "unknown": 1, "not_applicable": 1}
    for spoil in (
        lambda r: r["verdicts"][1].update(state="green"),
        lambda r: r["verdicts"][1].update(findings=[]),
        lambda r: r["verdicts"][2].update(findings=r["verdicts"][1]["findings"]),
        lambda r: r.pop("totals"),
        lambda r: r["suppressions"]["unused"][0].update(until="soon"),
    ):
        spoilt = json.loads(render(report(), "json"))
        spoil(spoilt)
        assert list(validator.iter_errors(spoilt)) != []


@pytest.mark.django_db(transaction=True)
def test_what_the_command_writes_fits_the_schema_too() -> None:
    out = io.StringIO()
    with pytest.raises(CommandError) as end:
        call_command("assess", "--no-record", "--format", "json", stdout=out, stderr=io.StringIO())
    assert end.value.returncode in (1, 2)
    validator = Draft202012Validator(SCHEMA, format_checker=FormatChecker())
    assert list(validator.iter_errors(json.loads(out.getvalue()))) == []


def test_junit_counts_and_names_what_each_state_is() -> None:
    root = ElementTree.fromstring(render(report(), "junit"))
    counted = {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counted == {"tests": "5", "failures": "1", "errors": "1", "skipped": "1"}
    assert [suite.get("name") for suite in root] == ["SEC-008", "SEC-009"]
    assert sum(int(suite.get("tests") or 0) for suite in root) == 5
    cases = {case.get("name", "").split()[0]: case for case in root.iter("testcase")}
    failure = cases["SEC-009.1"].find("failure")
    assert failure is not None
    assert failure.get("message") == "Wrong: a and 2 more"
    assert "<script>" in (failure.text or "")
    assert "\N{REPLACEMENT CHARACTER}[31m" in (failure.text or "")
    error = cases["SEC-009.3"].find("error")
    assert error is not None
    assert (error.get("type"), "GRANT" in (error.get("message") or "")) == ("unknown", True)
    assert cases["SEC-009.10"].find("skipped") is not None
    assert list(cases["SEC-009.2"]) == []
    hidden = cases["SEC-008.1"].findtext("system-out") or ""
    assert "suppressed: public.archive_1, until 2027-06-30" in hidden


def sarif_results() -> list[dict[str, Any]]:
    log = json.loads(render(report(), "sarif"))
    Draft202012Validator.check_schema(SARIF)
    validator = Draft202012Validator(SARIF, format_checker=FormatChecker())
    assert list(validator.iter_errors(log)) == []
    results: list[dict[str, Any]] = log["runs"][0]["results"]
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in results)
    return results


def test_sarif_has_a_result_for_every_finding_and_every_other_verdict() -> None:
    results = sarif_results()
    assert [(r["ruleId"], r["kind"], r["level"]) for r in results] == [
        ("SEC-008.1", "fail", "error"),
        ("SEC-008.1", "pass", "none"),
        ("SEC-009.1", "fail", "error"),
        ("SEC-009.1", "fail", "warning"),
        ("SEC-009.1", "fail", "note"),
        ("SEC-009.2", "pass", "none"),
        ("SEC-009.3", "open", "none"),
        ("SEC-009.10", "notApplicable", "none"),
    ]
    (suppressed,) = results[0]["suppressions"]
    assert suppressed["justification"] == "Never | read. (data `team`, until 2027-06-30)"
    prints = [r["partialFingerprints"]["subject/v1"] for r in results if r["kind"] == "fail"]
    assert len(set(prints)) == 4
    assert results[2]["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": "a"}]


def test_markdown_shows_text_as_text() -> None:
    said = render(report(), "markdown")
    html = MarkdownIt("commonmark").enable("table").render(said)
    assert "<script>" not in html
    assert "<em>d</em>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    # The cells of a row stay together whatever they hold.
    rows = [re.findall("<td>", row) for row in re.findall("<tr>.*?</tr>", html, re.DOTALL)]
    assert {len(row) for row in rows} == {0, 3}
    assert len([row for row in rows if row]) == 5
    # A remedy that has a fence of its own does not end early.
    assert html.count("DROP INDEX x;\n```\nSELECT 1;") == 3
    assert "1 suppressed" in html
    assert "## Since the last assessment" in said


def test_the_table_groups_by_risk_marks_what_is_hidden_and_warns() -> None:
    lines = render(report(), "table").splitlines()
    assert "SEC-008: 1 pass" in lines
    assert "SEC-009: 1 fail · 1 unknown · 1 pass · 1 not applicable" in lines
    (hidden,) = (line for line in lines if line.startswith("  SEC-008.1"))
    assert hidden == "  SEC-008.1   pass*    Hides"
    said = "\n".join(lines)
    assert "suppressed until 2027-06-30 by data `team`: Never | read." in said
    assert "The suppression of SEC-009.1 for a ended on 2026-11-24" in said
    assert "The suppression of SEC-009.1 for gone hides nothing" in said
    assert "  SEC-009.2   FAIL → pass" in lines


def test_colours_change_no_column_and_no_word() -> None:
    painted = render(report(), "table", color_style(force_color=True))
    bare = re.sub("\x1b\\[[0-9;]*m", "", painted)
    plain = re.sub("\x1b\\[[0-9;]*m", "", render(report(), "table"))
    assert painted != bare
    assert bare == plain


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("stream", "options", "coloured"),
    [
        (io.StringIO, {}, False),
        (io.StringIO, {"force_color": True}, True),
        (Terminal, {}, True),
        (Terminal, {"no_color": True}, False),
    ],
)
def test_colours_are_for_terminals(
    stream: type[io.StringIO],
    options: dict[str, bool],
    coloured: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What Django makes of the terminal that the tests themselves write to.
    monkeypatch.setattr("django.core.management.color.supports_color", lambda: True)
    out = stream()
    call_command("assess", control=["PERF-002.1"], no_record=True, stdout=out, **options)
    assert ("\x1b[" in out.getvalue()) == coloured


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("fail_on", "controls", "code"),
    [
        # Without a backup there is none to copy, and none was restored.
        ("unknown", ["SEC-001.1", "DATA-002.5"], 2),
        ("fail", ["SEC-001.1", "DATA-002.5"], 0),
        ("never", ["SEC-001.1", "DATA-002.5"], 0),
        ("unknown", ["DATA-002.2", "DATA-002.5"], 1),
        ("fail", ["DATA-002.2", "DATA-002.5"], 1),
        ("never", ["DATA-002.2", "DATA-002.5"], 0),
    ],
)
def test_fail_on_decides_what_the_exit_code_tells(
    fail_on: str, controls: list[str], code: int
) -> None:
    assert exit_code("--fail-on", fail_on, "--control", *controls) == code


def exit_code(*arguments: str) -> int:
    try:
        call_command("assess", "--no-record", *arguments, stdout=io.StringIO())
    except CommandError as end:
        return end.returncode
    return 0


@pytest.mark.django_db
def test_the_self_test_has_two_formats() -> None:
    with pytest.raises(CommandError, match="no format sarif; expected table or json") as end:
        call_command("assess", "--self-test", "--format", "sarif", stdout=io.StringIO())
    assert end.value.returncode == 3
