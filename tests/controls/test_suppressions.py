"""`holdfast.toml`: what it hides is listed, what is half understood stops the run."""

import datetime
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.controls.control import Finding, Level, State, Verdict
from apps.controls.suppressions import (
    Suppression,
    SuppressionError,
    read_suppressions,
    suppress,
)

TODAY = datetime.date(2026, 11, 25)
KNOWN = ["PERF-002.1", "SEC-005.5"]
ENTRY = """
[[suppression]]
control = "PERF-002.1"
subject = "public.archive_*"
reason = "Nobody deletes from it."
owner = "data team"
until = 2027-06-30
"""


def finding(subject: str) -> Finding:
    return Finding(Level.ERROR, "Wrong", subject, "detail", "remedy", "PERF-002.1")


def failed(*subjects: str) -> Verdict:
    findings = tuple(map(finding, subjects))
    return Verdict("PERF-002.1", "PERF-002", "Title", State.FAIL, None, findings, {"seen": 3})


def entry(subject: str = "public.archive_*", until: datetime.date = TODAY) -> Suppression:
    return Suppression("PERF-002.1", subject, "Nobody deletes.", "data team", until)


def written(path: Path, text: str) -> Path:
    path = path / "holdfast.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_entry_is_read_with_all_that_it_says(tmp_path: Path) -> None:
    (read,) = read_suppressions(written(tmp_path, ENTRY), KNOWN)
    assert read.as_json() == {
        "control": "PERF-002.1",
        "subject": "public.archive_*",
        "reason": "Nobody deletes from it.",
        "owner": "data team",
        "until": "2027-06-30",
    }
    assert read_suppressions(written(tmp_path, "# nothing\n"), KNOWN) == []


def test_a_failure_that_is_wholly_covered_passes_and_lists_what_it_hides() -> None:
    applied = suppress([failed("public.archive_2020.a", "public.archive_2021.a")], [entry()], TODAY)
    (verdict,) = applied.verdicts
    assert (verdict.state, verdict.findings) == (State.PASS, ())
    assert verdict.evidence["seen"] == 3
    hidden = verdict.evidence["suppressed"]
    assert [said["subject"] for said in hidden] == [
        "public.archive_2020.a",
        "public.archive_2021.a",
    ]
    assert hidden[0]["suppression"]["owner"] == "data team"
    assert hidden[0]["remedy"] == "remedy"
    assert (applied.expired, applied.unused) == ((), ())


def test_what_is_left_keeps_the_failure() -> None:
    (verdict,) = suppress(
        [failed("public.archive_1.a", "public.child.a")], [entry()], TODAY
    ).verdicts
    assert verdict.state is State.FAIL
    assert [f.subject for f in verdict.findings] == ["public.child.a"]
    assert len(verdict.evidence["suppressed"]) == 1


@pytest.mark.parametrize(
    ("pattern", "covers"),
    [
        ("public.archive_1.a", True),
        ("public.*", True),
        ("*archive*", True),
        ("public.archive_?.a", False),
        ("public.archive_[0-9].a", False),
        ("public.archive_1", False),
        ("PUBLIC.*", False),
        ("public.archive_1.a*b", False),
    ],
)
def test_a_pattern_is_of_whole_subjects_and_only_the_star_is_special(
    pattern: str, covers: bool
) -> None:
    (verdict,) = suppress([failed("public.archive_1.a")], [entry(pattern)], TODAY).verdicts
    assert (verdict.state is State.PASS) == covers


def test_after_its_last_day_it_counts_no_more_and_is_reported() -> None:
    ended = entry(until=TODAY - datetime.timedelta(days=1))
    applied = suppress([failed("public.archive_1.a")], [ended], TODAY)
    assert applied.verdicts == (failed("public.archive_1.a"),)
    assert (applied.expired, applied.unused) == ((ended,), ())


def test_one_that_hides_nothing_is_reported_unless_its_control_could_not_see() -> None:
    stale = entry("public.gone")
    other = Suppression("SEC-005.5", "x", "y", "z", TODAY)
    applied = suppress([failed("public.child.a")], [stale, other], TODAY)
    # SEC-005.5 was not judged, so nothing is known about its entry.
    assert applied.unused == (stale,)
    blind = Verdict("PERF-002.1", "PERF-002", "Title", State.UNKNOWN, "Dark.", ())
    assert suppress([blind], [stale], TODAY).unused == ()
    assert suppress([blind], [stale], TODAY).verdicts == (blind,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[suppression]\n", "^holdfast.toml is not TOML: "),
        ("[suppression]\ncontrol = 'x'\n", "two brackets on each side"),
        ("suppression = [1]\n", "two brackets on each side"),
        ("[[supression]]\n", "holds 'supression'; expected only"),
        (ENTRY.replace("owner", "onwer"), "suppression 1: 'onwer' is no field"),
        (ENTRY.replace('owner = "data team"\n', ""), "suppression 1: owner is missing"),
        (ENTRY.replace('"data team"', '" "'), "owner is ' '; expected a text"),
        (ENTRY.replace('"data team"', "7"), "owner is 7; expected a text"),
        (ENTRY.replace("2027-06-30", '"2027-06-30"'), "until is '2027-06-30'; expected a date"),
        (ENTRY.replace("2027-06-30", "2027-06-30T10:00:00"), "expected a date without quotes"),
        (ENTRY.replace("PERF-002.1", "PERF-002.99"), "control is 'PERF-002.99'; expected one of"),
        (ENTRY.replace("public.archive_*", "**"), "would hide everything"),
        (ENTRY + ENTRY.replace("reason", "cause"), "suppression 2: 'cause' is no field"),
    ],
)
def test_what_is_half_understood_is_refused_in_one_sentence(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SuppressionError, match=message) as refusal:
        read_suppressions(written(tmp_path, text), KNOWN)
    assert "\n" not in str(refusal.value)


def test_bytes_that_are_no_text_and_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "holdfast.toml"
    with pytest.raises(SuppressionError, match="cannot be read: No such file"):
        read_suppressions(path, KNOWN)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SuppressionError, match="not UTF-8"):
        read_suppressions(path, KNOWN)
    with pytest.raises(SuppressionError, match="cannot be the name of a file"):
        read_suppressions(Path("a\x00b"), KNOWN)


@pytest.mark.django_db
def test_a_malformed_file_stops_the_command_with_exit_code_3(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY.replace("until", "til"))
    with pytest.raises(CommandError, match="'til' is no field") as refusal:
        call_command("assess", "--suppressions", str(path), stdout=io.StringIO())
    assert refusal.value.returncode == 3


@pytest.mark.django_db(transaction=True)
def test_the_file_beside_manage_py_counts_for_the_projects_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, ENTRY)
    monkeypatch.setattr("apps.controls.pointing.FILE", path)
    out = io.StringIO()
    call_command(
        *("assess", "--control", "PERF-002.1", "--no-record", "--format", "json"), stdout=out
    )
    (unused,) = json.loads(out.getvalue())["suppressions"]["unused"]
    assert unused["subject"] == "public.archive_*"
