"""The gate opens for fresh passing verdicts and for acceptances that last, and for nothing else."""

import io
import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.controls.assess import Report, record
from apps.controls.control import Finding, Level, State
from apps.controls.control import Verdict as Answer
from apps.controls.discovery import all_controls
from apps.database.server import Cluster
from apps.risks.gate import Gate, judge_gate
from apps.risks.gatefile import as_yaml, file_name
from apps.risks.importer.document import MUST_FIX as MUST_FIX_TIER
from apps.risks.importer.read import read_profile
from apps.risks.models import Acceptance, Discrepancy, GateDecision, Revision, Risk
from apps.risks.store import store
from config.env import BASE_DIR
from tests import environment
from tests.risks.corpus import REGISTER, SUPPLIED, documents, read, read_string

pytestmark = pytest.mark.django_db(transaction=True)

MUST_FIX = ["TECH-001", "TECH-003", "SEC-001", "SEC-004", "DATA-002"]
JUDGED = sorted({control.risk for control in all_controls()})


@pytest.fixture
def revision(transactional_db: None) -> Revision:
    """Our own profile, which holds the twenty-three risks."""
    call_command("import_profile", str(BASE_DIR / "docs" / "risk-profile.md"), verbosity=0)
    return Revision.objects.get()


@pytest.fixture(autouse=True)
def clean(cluster: Cluster, transactional_db: None) -> Iterator[None]:
    yield
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("TRUNCATE controls_verdict, controls_assessment, controls_checkpoint")


def person(name: str) -> User:
    return User.objects.create_superuser(name, password=secrets.token_urlsafe())


def judged(
    states: dict[str, State] | None = None,
    at: datetime | None = None,
    database: str = "default",
    without: tuple[str, ...] = (),
    suppressed: tuple[str, ...] = (),
) -> None:
    """An assessment in which every control passes, but for those that are named."""
    answers = []
    for control in all_controls():
        if control.id in without:
            continue
        state = (states or {}).get(control.id, State.PASS)
        finding = Finding(Level.ERROR, "t", "public.book", "is wrong", f"mend {control.id};")
        answers.append(
            Answer(
                control.id, control.risk, control.title, state,
                "no grant" if state is State.UNKNOWN else None,
                (finding,) if state is State.FAIL else (),
                {"suppressed": [{"reason": "no defect here"}]} if control.id in suppressed else {},
            )
        )  # fmt: skip
    report = Report(database, "auditor", "18.6", at or timezone.now(), 0.5, tuple(answers))
    record(report, complete=True)


def test_a_pass_that_hides_findings_holds_nothing_that_must_be_fixed(revision: Revision) -> None:
    hiding = {"SEC-004.1": State.PASS, "PERF-002.1": State.PASS}
    judged(hiding, suppressed=tuple(hiding))
    rows = {row.code: row for row in judge(revision).risks}
    assert rows["SEC-004"].state == "open"
    assert rows["SEC-004"].why == "SEC-004.1 passes only because findings are suppressed."
    assert rows["PERF-002"].state == "held"
    accepted(revision, "SEC-004")
    assert {row.code: row.state for row in judge(revision).risks}["SEC-004"] == "accepted"


def accepted(
    revision: Revision, code: str, days: int = 30, approved: bool = True, **more: Any
) -> Acceptance:
    names = ("ada", "ben")
    ada, ben = (User.objects.filter(username=n).first() or person(n) for n in names)
    now = timezone.now()
    return Acceptance.objects.create(
        risk=Risk.objects.get(revision=revision, code=code),
        reason="The provider mends it in spring.",
        until=now.date() + timedelta(days=days),
        accepted_by=ada,
        approved_by=ben if approved else None,
        approved_at=now if approved else None,
        **more,
    )


def judge(revision: Revision) -> Gate:
    return judge_gate(revision, timezone.now())


def unjudged(revision: Revision) -> list[str]:
    """Risks of the profile that no control judges."""
    codes = Risk.objects.filter(revision=revision).values_list("code", flat=True)
    return sorted(set(codes) - set(JUDGED))


def accept_unjudged(revision: Revision) -> None:
    for code in unjudged(revision):
        accepted(revision, code)


def test_without_a_verdict_it_fails_and_says_to_judge_first(revision: Revision) -> None:
    gate = judge(revision)
    assert (gate.word, gate.document) == ("FAIL", "CONCERNS")
    assert gate.reason.startswith("5 of 5 risks that must be fixed are open: ")
    assert sorted(row.code for row in gate.risks if row.must_fix) == sorted(MUST_FIX)
    assert gate.steps[0].do.endswith("manage.py assess")
    assert "There is no verdict of the last day about" in gate.steps[0].missing


def test_fresh_passing_verdicts_open_it(revision: Revision) -> None:
    judged()
    accept_unjudged(revision)
    gate = judge(revision)
    assert gate.word == "PASS"
    assert gate.steps == ()
    assert gate.expires is not None
    assert timedelta(hours=23) < gate.expires - timezone.now() <= timedelta(days=1)


@pytest.mark.parametrize("code", MUST_FIX)
@pytest.mark.parametrize("state", [State.FAIL, State.UNKNOWN])
def test_one_control_of_what_must_be_fixed_closes_it(
    revision: Revision, code: str, state: State
) -> None:
    judged({f"{code}.1": state})
    accept_unjudged(revision)
    gate = judge(revision)
    assert (gate.word, [row.code for row in gate.risks if row.state == "open"]) == ("FAIL", [code])
    assert gate.steps[0].control == f"{code}.1"
    if state is State.FAIL:
        assert gate.steps[0].missing == f"{code}.1 failed: public.book: is wrong"
        assert gate.steps[0].do == f"mend {code}.1;"
    else:
        assert "could not see: no grant" in gate.steps[0].missing


def test_others_that_are_open_are_concerns(revision: Revision) -> None:
    judged({"SEC-005.1": State.FAIL})
    accept_unjudged(revision)
    gate = judge(revision)
    assert gate.word == "CONCERNS"
    assert gate.reason == "What must be fixed is held or accepted; 1 other risks are open: SEC-005."


def test_what_must_be_fixed_comes_first_and_the_higher_score_before_the_lower(
    revision: Revision,
) -> None:
    judged({"SEC-005.1": State.FAIL, "OPS-002.2": State.FAIL, "SEC-004.2": State.FAIL})
    accept_unjudged(revision)
    assert [step.risk for step in judge(revision).steps] == ["SEC-004", "OPS-002", "SEC-005"]


def test_yesterdays_verdict_counts_no_more(revision: Revision) -> None:
    judged(at=timezone.now() - timedelta(hours=25))
    accept_unjudged(revision)
    gate = judge(revision)
    assert gate.word == "FAIL"
    assert "Judged more than a day ago: TECH-001.1" in gate.risks[0].why


def test_a_control_that_was_left_out_keeps_its_risk_open(revision: Revision) -> None:
    judged(without=("SEC-004.2",))
    accept_unjudged(revision)
    gate = judge(revision)
    assert gate.word == "FAIL"
    (row,) = [row for row in gate.risks if row.state == "open"]
    assert (row.code, row.why) == ("SEC-004", "Not judged yet: SEC-004.2.")


def test_a_risk_that_nothing_applies_to_is_not_held(revision: Revision) -> None:
    own = [control.id for control in all_controls() if control.risk == "SEC-004"]
    judged(dict.fromkeys(own, State.NOT_APPLICABLE))
    accept_unjudged(revision)
    gate = judge(revision)
    assert gate.word == "FAIL"
    assert gate.steps[0].missing == "No control applies here."


def test_verdicts_about_another_database_do_not_count(revision: Revision) -> None:
    judged(database="elsewhere")
    assert judge(revision).word == "FAIL"
    judged({"SEC-004.2": State.FAIL})
    judged(database="elsewhere")
    assert "SEC-004.2 failed" in judge(revision).steps[0].missing


def test_an_acceptance_waives_what_must_be_fixed_until_it_expires(revision: Revision) -> None:
    judged({"SEC-004.2": State.FAIL})
    accept_unjudged(revision)
    acceptance = accepted(revision, "SEC-004", days=0)
    gate = judge(revision)
    assert (gate.word, gate.reason) == ("WAIVED", "Accepted by people, not held: SEC-004.")
    Acceptance.objects.filter(pk=acceptance.pk).update(
        until=timezone.now().date() - timedelta(days=1)
    )
    assert judge(revision).word == "FAIL"


def test_a_proposal_counts_for_nothing_but_a_reminder(revision: Revision) -> None:
    judged({"SEC-004.2": State.FAIL})
    accepted(revision, "SEC-004", approved=False)
    gate = judge(revision)
    assert gate.word == "FAIL"
    assert gate.steps[0].missing.startswith("ada proposes to accept it until ")
    assert gate.steps[1].control == "SEC-004.2"


def test_a_withdrawn_acceptance_counts_no_more(revision: Revision) -> None:
    judged({"SEC-004.2": State.FAIL})
    acceptance = accepted(revision, "SEC-004")
    acceptance.withdrawn_by, acceptance.withdrawn_at = acceptance.accepted_by, timezone.now()
    acceptance.save()
    assert judge(revision).word == "FAIL"


def test_nobody_approves_what_he_accepted_himself(revision: Revision) -> None:
    acceptance = accepted(revision, "SEC-004", approved=False)
    acceptance.approved_by, acceptance.approved_at = acceptance.accepted_by, timezone.now()
    with pytest.raises(IntegrityError, match="risks_acceptance_two_persons"), transaction.atomic():
        acceptance.save()


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ("Low (1) | Medium (2) | 2 | Low", "accepted"),
        ("Low (1) | Low (1) | 1 | Minimal", "accepted"),
        ("High (3) | High (3) | 9 | Critical", "open"),
        ("Low (1) | Medium (2) | 4 | Medium", "open"),
    ],
)
def test_an_acceptance_outlives_a_new_revision_unless_the_risk_got_worse(
    transactional_db: None, row: str, state: str
) -> None:
    store(read_string(REGISTER))
    accepted(Revision.objects.get(), "OPS-001")
    changed = read_string(REGISTER.replace("Low (1) | Medium (2) | 2 | Low", row))
    assert store(replace(changed, sha256="1" * 64)).revision == 2
    found = {risk.code: risk.state for risk in judge(Revision.objects.get(number=2)).risks}
    assert found == {"SEC-001": "open", "OPS-001": state}


def test_the_import_of_a_profile_accepts_nothing(revision: Revision) -> None:
    store(read("sections"))
    assert Acceptance.objects.count() == 0


def test_the_document_gate_takes_the_worse_until_a_person_decides(transactional_db: None) -> None:
    text = REGISTER.replace("Low (1) | Medium (2) | 2", "Low (1) | Medium (2) | 9")
    store(
        read_string(
            text.replace("Medium (2) | High (3) | 6 | High", "Low (1) | Low (1) | 1 | Minimal")
        )
    )
    revision = Revision.objects.get()
    assert judge(revision).document == "FAIL"
    discrepancy = Discrepancy.objects.get(kind="score_product")
    discrepancy.resolution = Discrepancy.COMPUTED
    discrepancy.save()
    assert judge(revision).document == "PASS"
    discrepancy.resolution = Discrepancy.STATED
    discrepancy.save()
    assert judge(revision).document == "FAIL"


def test_without_a_list_the_method_says_what_must_be_fixed(transactional_db: None) -> None:
    store(read_string(REGISTER))
    gate = judge(Revision.objects.get())
    assert [(row.code, row.must_fix) for row in gate.risks] == [
        ("SEC-001", True),
        ("OPS-001", False),
    ]


def test_a_code_that_must_be_fixed_and_is_no_risk_keeps_it_closed(transactional_db: None) -> None:
    text = (
        f"{REGISTER}\n## Risk Acceptance Criteria\n\n### Must Fix Before Production\n\n- SEC-777\n"
    )
    store(read_string(text))
    gate = judge(Revision.objects.get())
    assert gate.word == "FAIL"
    (row,) = [row for row in gate.risks if row.code == "SEC-777"]
    assert "its register has no such risk" in row.why


def test_a_document_without_risks_that_can_be_read_fails(transactional_db: None) -> None:
    store(read("no_table"))
    gate = judge(Revision.objects.get())
    assert (gate.word, gate.document) == ("FAIL", "CONCERNS")


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.stem)
def test_every_document_has_a_gate_and_a_file(
    transactional_db: None, path: Path, tmp_path: Path
) -> None:
    document = read_profile(path)
    store(document)
    key = Revision.objects.get().profile.key
    code, said = run(key, "--format", "json", "--into", str(tmp_path))
    found = json.loads(said)
    assert {"PASS": 0, "FAIL": 1, "CONCERNS": 2}[found["gate"]] == code
    listed = [c for row in document.acceptance if row.tier == MUST_FIX_TIER for c in row.codes]
    assert set(listed) <= set(found["must_fix"])
    # Nothing was judged, so only a document that names no risk may pass.
    assert (found["gate"] == "PASS") is (document.level == "full" and not document.risks)
    (file,) = tmp_path.iterdir()
    assert yaml.safe_load(file.read_text())["story"] == key
    if path == SUPPLIED:
        assert found["must_fix"] == ["TECH-001", "TECH-003", "SEC-001", "SEC-004", "DATA-002"]
        assert (found["document_gate"], len(found["risks"])) == ("CONCERNS", 23)


def run(name: str, *arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("gate", name, *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue() or str(error)
    return 0, out.getvalue()


def test_the_exit_code_is_the_word(revision: Revision, tmp_path: Path) -> None:
    into = ("--into", str(tmp_path))
    assert run("1.1", *into)[0] == 1
    judged({"SEC-005.1": State.FAIL})
    accept_unjudged(revision)
    assert run("1.1", *into)[0] == 2
    judged()
    assert run("1-1", *into)[0] == 0
    accepted(revision, "SEC-004")
    judged({"SEC-004.1": State.FAIL})
    code, said = run("1.1", "--format", "json", *into)
    assert (code, json.loads(said)["gate"]) == (0, "WAIVED")


def test_the_table_says_what_to_do_next(revision: Revision, tmp_path: Path) -> None:
    judged({"SEC-004.2": State.FAIL})
    code, said = run("1.1", "--into", str(tmp_path))
    assert code == 1
    assert "Document gate  CONCERNS" in said
    assert "Evidence gate  FAIL: 1 of 5 risks that must be fixed are open: SEC-004." in said
    assert "  ✓ held     TECH-001   6" in said
    assert "1. SEC-004.2 failed: public.book: is wrong\n     → mend SEC-004.2;" in said
    assert f"Written: {tmp_path}" in said


def test_json_has_the_names_that_scripts_rely_on(revision: Revision) -> None:
    code, said = run("1.1", "--format", "json", "--no-file")
    found = json.loads(said)
    assert code == 1
    assert set(found) == {
        "profile", "title", "revision", "document_gate", "gate", "reason", "decided_at", "expires",
        "must_fix", "risks", "missing",
    }  # fmt: skip
    assert (found["profile"], found["revision"]) == ("1.1", 1)
    assert sorted(found["must_fix"]) == sorted(MUST_FIX)
    assert len(found["risks"]) == 23
    assert found["missing"][0]["do"].endswith("manage.py assess")


def test_the_file_has_the_keys_of_the_method_and_its_history_grows(
    revision: Revision, tmp_path: Path
) -> None:
    assert run("1.1", "--into", str(tmp_path / "gates"))[0] == 1
    judged({"SEC-004.2": State.FAIL})
    accept_unjudged(revision)
    for _ in range(2):
        assert run("1.1", "--into", str(tmp_path / "gates"))[0] == 1
    accepted(revision, "SEC-004")
    code, said = run("1.1", "--into", str(tmp_path / "gates"), "--format", "yaml")
    assert code == 0
    (path,) = (tmp_path / "gates").iterdir()
    assert path.name == file_name(revision)
    content = yaml.safe_load(path.read_text())
    assert content == yaml.safe_load(said)
    assert {"schema", "story", "gate", "status_reason", "reviewer", "updated", "top_issues",
            "waiver"} <= set(content)  # fmt: skip
    assert (content["schema"], content["story"], content["gate"]) == (1, "1.1", "WAIVED")
    assert content["waiver"] == {
        "active": True,
        "reason": "SEC-004: The provider mends it in spring.",
        "approved_by": "ben",
        "expires": (timezone.now().date() + timedelta(days=30)).isoformat(),
    }
    assert content["risk_summary"]["totals"] == {"critical": 0, "high": 5, "medium": 5, "low": 13}
    assert [row["gate"] for row in content["history"]] == ["FAIL", "FAIL", "WAIVED"]
    assert GateDecision.objects.count() == 3


def test_open_risks_are_the_files_top_issues(revision: Revision, tmp_path: Path) -> None:
    judged({"SEC-004.2": State.FAIL, "SEC-005.1": State.FAIL})
    accept_unjudged(revision)
    content = yaml.safe_load(run("1.1", "--format", "yaml", "--no-file")[1])
    assert [(issue["id"], issue["severity"]) for issue in content["top_issues"]] == [
        ("SEC-004", "high"),
        ("SEC-005", "low"),
    ]
    assert content["top_issues"][0]["suggested_action"] == "mend SEC-004.2;"
    assert content["waiver"] == {"active": False}
    assert content["quality_score"] == 70


@pytest.mark.parametrize(
    "text",
    ["plain", 'a "quote" and \\', "two\nlines", "- : # {}", "é 日本語", "\x85\u2028\x7f", ""],
)
def test_any_text_comes_back_from_the_file(text: str) -> None:
    content = {"a": text, "list": [text, {"b": text, "c": [text]}], "none": None, "empty": []}
    assert yaml.safe_load(as_yaml(content)) == content


def test_a_folder_that_cannot_be_written_is_told_and_changes_no_word(
    revision: Revision, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    err = io.StringIO()
    with pytest.raises(CommandError) as ended:
        call_command(
            "gate", "1.1", "--into", str(tmp_path / "file"), stdout=io.StringIO(), stderr=err
        )
    assert ended.value.returncode == 1
    assert "No gate file was written into" in err.getvalue()


def test_a_profile_that_is_not_there_is_one_sentence(transactional_db: None) -> None:
    with pytest.raises(CommandError, match="register is empty; import a profile") as refused:
        call_command("gate", "1.3")
    assert refused.value.returncode == 3
    store(read_string(REGISTER))
    with pytest.raises(CommandError, match="There is no profile '7.7'; the register has 1.1"):
        call_command("gate", "7.7")


def test_of_several_revisions_the_newest_counts(revision: Revision) -> None:
    store(replace(read_profile(BASE_DIR / "docs" / "risk-profile.md"), sha256="1" * 64))
    found = json.loads(run("1.1", "--format", "json", "--no-file")[1])
    assert found["revision"] == 2


def test_its_questions_are_few(revision: Revision, django_assert_max_num_queries: Any) -> None:
    judged()
    known = Revision.objects.select_related("profile").get()
    with django_assert_max_num_queries(5):
        judge(known)
