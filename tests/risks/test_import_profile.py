"""The command: its report, its exit code, and what it leaves behind."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from apps.risks.management.commands import import_profile
from apps.risks.models import Profile, Revision, Risk
from tests.risks.corpus import CORPUS, REGISTER, supplied_path

pytestmark = pytest.mark.django_db


def report(*arguments: object) -> tuple[int, dict[str, Any]]:
    """The exit code and the JSON report of one run."""
    out = StringIO()
    code = 0
    try:
        call_command("import_profile", *map(str, arguments), "--format", "json", stdout=out)
    except CommandError as error:
        code = error.returncode
    return code, json.loads(out.getvalue())


def table(*arguments: object) -> str:
    out = StringIO()
    call_command("import_profile", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_the_report_has_the_names_that_scripts_rely_on() -> None:
    code, answer = report(supplied_path())
    (file,) = answer["files"]
    assert code == 0
    assert (file["level"], file["error"], file["profile"]) == ("full", None, "1.3")
    assert (file["revision"], file["changed"], len(file["risks"])) == (1, True, 23)
    first = file["risks"][0]
    assert {key: first[key] for key in ("code", "category", "probability", "impact")} == {
        "code": "TECH-001",
        "category": "Technical",
        "probability": 2,
        "impact": 3,
    }
    assert (first["score_stated"], first["score"], first["has_detail"]) == (6, 6, True)
    assert (first["priority_stated"], first["priority"]) == ("High", "High")
    total = file["discrepancies"][0]
    assert {key: total[key] for key in ("kind", "where", "line", "risk", "stated", "computed")} == {
        "kind": "total_risks",
        "where": "Executive Summary",
        "line": 8,
        "risk": None,
        "stated": "22",
        "computed": "23",
    }
    assert len(file["discrepancies"]) == 12
    assert file["counts"]["priority_tests"] == 54


def test_unrated_risks_have_null() -> None:
    _, answer = report(CORPUS / "other_scale.md")
    risk = answer["files"][0]["risks"][0]
    assert (risk["probability"], risk["impact"], risk["score"], risk["priority"]) == (None,) * 4


def test_the_same_file_again_is_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "1.1-risk-20250101.md"
    path.write_text(REGISTER)
    report(path)
    _, answer = report(path)
    assert (answer["files"][0]["revision"], answer["files"][0]["changed"]) == (1, False)
    path.write_text(REGISTER.replace("6 | High", "9 | High"))
    _, answer = report(path)
    assert (answer["files"][0]["revision"], answer["files"][0]["changed"]) == (2, True)


def test_a_dry_run_reports_and_writes_nothing() -> None:
    code, answer = report(CORPUS / "version_six.md", "--dry-run")
    assert (code, answer["files"][0]["changed"], answer["files"][0]["revision"]) == (0, True, 1)
    assert not Profile.objects.exists()


def test_a_rejected_file_leaves_nothing_and_does_not_stop_the_others(tmp_path: Path) -> None:
    binary = tmp_path / "binary.md"
    binary.write_bytes(b"# Risk\n\0")
    code, answer = report(binary, CORPUS / "version_six.md", tmp_path / "none.md")
    rejected, kept, missing = answer["files"]
    assert code == 1
    assert rejected["level"] == missing["level"] == "rejected"
    assert rejected["error"].startswith("Line 2: a NUL byte stands here")
    assert (rejected["profile"], rejected["revision"], rejected["changed"]) == (None, None, False)
    assert (rejected["risks"], set(rejected["counts"].values())) == ([], {0})
    assert kept["level"] == "full"
    assert Revision.objects.count() == 1


def test_an_unstructured_file_is_kept_and_exits_one() -> None:
    code, answer = report(CORPUS / "no_ids.md")
    assert (code, answer["files"][0]["level"], answer["files"][0]["risks"]) == (
        1,
        "unstructured",
        [],
    )
    assert Risk.objects.get().is_draft


def test_the_table_shows_risks_contradictions_and_counts() -> None:
    text = table(CORPUS / "contradictions.md")
    assert "contradictions.md: full, 4 risks; it is now revision 1 of profile 10.1." in text
    assert "SEC-002  Security     Keys in a mail" in text
    assert "42    score product        SEC-002 score" in text
    assert "priority tests 0" in text
    assert "unchanged, it is revision 1" in table(CORPUS / "contradictions.md")


def test_the_table_says_what_a_dry_run_would_do() -> None:
    assert "it would be revision 1" in table(CORPUS / "version_six.md", "--dry-run")
    assert "The document does not contradict itself." in table(
        CORPUS / "version_six.md", "--dry-run"
    )


def test_a_title_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "1.1-risk-20250101.md"
    path.write_text(REGISTER.replace("Keys in a mail", "Keys \x1b[2J\u202e in a mail"))
    assert "\x1b" not in table(path)
    assert "\u202e" not in table(path)
    assert Risk.objects.get(code="SEC-001").title == "Keys \x1b[2J\u202e in a mail"


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    paths = []
    for number in range(6):
        path = tmp_path / f"{number}.1-risk-20250101.md"
        path.write_text(REGISTER.replace("Story 1.1", f"Story {number}.1"))
        paths.append(str(path))

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    for stream, shown in ((Terminal(), True), (StringIO(), False)):
        call_command("import_profile", *paths, stdout=StringIO(), stderr=stream)
        assert ("Reading file 6 of 6" in stream.getvalue()) is shown


def test_a_database_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(document: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(import_profile, "store", refuse)
    with pytest.raises(CommandError, match="The database does not answer"):
        call_command("import_profile", str(CORPUS / "version_six.md"), stdout=StringIO())
