"""A changed, removed or inserted row is found, and so is an end that was cut off."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.controls.assess import assess, own_target, record
from apps.controls.discovery import all_controls, select
from apps.controls.evidence import FORMER_ZONE, Examination, Outside, examine
from apps.controls.models import Assessment, Checkpoint, Verdict, digest_of
from apps.controls.pruning import ChainBroken, prune
from apps.database.chains import Head
from apps.database.server import Cluster
from tests import environment
from tests.backups import places

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = "controls_verdict, controls_assessment, controls_checkpoint"


def judged(times: int) -> None:
    controls = select(all_controls(), ["PERF-002.1", "SEC-005.1", "SEC-005.2"])
    report = assess(own_target(), controls)
    for _ in range(times):
        record(report, complete=False)


@pytest.fixture
def chain(cluster: Cluster) -> Iterator[list[Assessment]]:
    """Four recorded assessments, oldest first."""
    judged(4)
    yield list(Assessment.objects.order_by("sequence"))
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute(f"TRUNCATE {TABLES}".encode())


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A storage without backups of other tests."""
    options = places.folder_options(tmp_path / "backups")
    with places.stored_in(monkeypatch, places.FILE, options):
        yield


def tamper(cluster: Cluster, *statements: str) -> None:
    """As who can do everything; foreign keys do not help."""
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("SET session_replication_role = replica")
        for statement in statements:
            admin.execute(statement.encode())


def verified(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON and the last sentence of the command."""
    out = io.StringIO()
    try:
        call_command("verify_evidence", "--format", "json", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, json.loads(out.getvalue()) if out.getvalue() else {}, str(error)
    return 0, json.loads(out.getvalue()), ""


def head_of(assessment: Assessment) -> str:
    return f"{assessment.sequence}:{assessment.digest}"


def test_a_chain_whose_head_is_known_outside_is_whole(chain: list[Assessment]) -> None:
    code, said, _ = verified("--head", head_of(chain[-1]))
    assert (code, said["state"], said["breaks"]) == (0, "whole", [])
    assert (said["assessments"], said["first"], said["last"]) == (4, 1, 4)
    assert said["confirmed_by"] == "--head"


def test_without_a_head_outside_the_tail_is_unknown(chain: list[Assessment]) -> None:
    code, said, sentence = verified()
    assert (code, said["state"], said["unconfirmed"]) == (2, "unknown", 4)
    assert "The tail (1 to 4) is unknown" in sentence
    assert "dbbackup" in sentence
    code, said, sentence = verified("--head", head_of(chain[1]))
    assert (code, said["confirmed"], said["unconfirmed"]) == (2, 2, 2)
    assert "The tail (3 to 4) is unknown" in sentence


def test_nothing_recorded_is_unknown_and_not_whole() -> None:
    code, said, sentence = verified()
    assert (code, said["assessments"]) == (2, 0)
    assert "No assessment is recorded" in sentence


CHANGES = {
    "a verdict's state": (
        "UPDATE controls_verdict SET state = 'fail' WHERE id = '{verdict}'",
        2, "changed", "The verdict SEC-005.1 of assessment 2 was changed",
    ),
    "a verdict's evidence": (
        "UPDATE controls_verdict SET evidence = '{{\"a\": 1}}' WHERE id = '{verdict}'",
        2, "changed", "The verdict SEC-005.1 of assessment 2 was changed",
    ),
    "an assessment's time": (
        ("UPDATE controls_assessment SET started_at = started_at - interval '1 us'"
        " WHERE sequence = 3"),
        3, "changed", "Assessment 3, or one of its verdicts, was changed",
    ),
    "what it was given among": (
        "UPDATE controls_assessment SET surroundings = NULL WHERE sequence = 3",
        3, "changed", "Assessment 3, or one of its verdicts, was changed",
    ),
    "a removed verdict": (
        "DELETE FROM controls_verdict WHERE id = '{verdict}'",
        2, "missing", "A verdict of assessment 2 was removed: its totals count 3 verdicts",
    ),
    "an inserted verdict": (
        ("INSERT INTO controls_verdict (id, assessment_id, control, risk, title, state, findings,"
        " evidence, duration_ms, digest) SELECT gen_random_uuid(), assessment_id, 'SEC-009.1',"
        " risk, title, state, findings, evidence, duration_ms, digest FROM controls_verdict"
        " WHERE id = '{verdict}'"),
        2, "inserted", "A verdict of assessment 2 was inserted: its totals count 3 verdicts",
    ),
    "a removed assessment": (
        "DELETE FROM controls_assessment WHERE sequence = 2",
        2, "missing", "Assessment 2 is missing before 3",
    ),
    "a removed beginning": (
        "DELETE FROM controls_assessment WHERE sequence < 3",
        1, "missing",
        "Assessments 1 to 2 are missing before 3 and no checkpoint tells of their removal",
    ),
    "an inserted assessment": (
        ("INSERT INTO controls_assessment SELECT gen_random_uuid(), 0, database, role,"
        " server_version, started_at, duration_seconds, '{{}}', complete, previous_digest, digest,"
        " surroundings FROM controls_assessment WHERE sequence = 1"),
        0, "inserted", "Assessment 0 stands where the chain begins at 1",
    ),
    "a removed end": (
        "DELETE FROM controls_assessment WHERE sequence = 4",
        4, "missing", "Assessment 4 is missing; --head remembers 4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_found_where_it_is(
    cluster: Cluster, chain: list[Assessment], change: str
) -> None:
    statement, place, kind, words = CHANGES[change]
    verdict = Verdict.objects.get(assessment=chain[1], control="SEC-005.1")
    tamper(cluster, statement.format(verdict=verdict.pk))
    code, said, sentence = verified("--head", head_of(chain[-1]))
    assert (code, said["state"]) == (1, "broken")
    first = said["breaks"][0]
    assert (first["sequence"], first["kind"]) == (place, kind)
    assert words in first["detail"]
    assert sentence == f"The chain breaks at assessment {place}."


def forge(assessment: Assessment, previous: str) -> list[str]:
    """Statements that change a verdict and every digest that covers it, as a clever hand would."""
    verdicts = list(assessment.verdicts.all())
    verdicts.sort(key=lambda verdict: verdict.control)
    verdicts[0].title = "forged"
    verdicts[0].digest = digest_of(verdicts[0].content())
    assessment.previous_digest = previous
    digest = digest_of(assessment.content([verdict.digest for verdict in verdicts]))
    return [
        (
            f"UPDATE controls_verdict SET title = 'forged', digest = '{verdicts[0].digest}'"
            f" WHERE id = '{verdicts[0].pk}'"
        ),
        (
            f"UPDATE controls_assessment SET digest = '{digest}', previous_digest = '{previous}'"
            f" WHERE id = '{assessment.pk}'"
        ),
    ]


def test_a_forger_who_mends_one_digest_breaks_the_next_link(
    cluster: Cluster, chain: list[Assessment]
) -> None:
    tamper(cluster, *forge(chain[1], chain[0].digest))
    (found,) = examine().breaks
    assert (found.sequence, found.kind) == (3, "unlinked")
    assert "one of the two was replaced" in found.detail


def test_a_chain_that_was_written_anew_is_told_by_who_remembers_it(
    cluster: Cluster, chain: list[Assessment]
) -> None:
    remembered = head_of(chain[-1])
    tamper(cluster, *forge(chain[3], chain[2].digest))
    assert verified()[0] == 2
    code, said, _ = verified("--head", remembered)
    assert (code, said["breaks"][0]["kind"]) == (1, "replaced")
    assert "the chain was written anew up to there" in said["breaks"][0]["detail"]


def test_a_backup_remembers_the_head(cluster: Cluster, chain: list[Assessment]) -> None:
    call_command("dbbackup", "--quiet", stdout=io.StringIO())
    code, said, _ = verified()
    assert (code, said["confirmed"]) == (0, 4)
    assert said["confirmed_by"].startswith("the backup ")
    judged(1)
    assert verified()[0] == 2
    tamper(cluster, "DELETE FROM controls_assessment WHERE sequence >= 3")
    code, said, _ = verified()
    assert code == 1
    assert "Assessments 3 to 4 are missing; the backup " in said["breaks"][0]["detail"]


def test_the_head_of_a_recorded_assessment_is_logged(
    chain: list[Assessment], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "apps.controls.assess"):
        judged(1)
    newest = Assessment.objects.newest()
    assert newest is not None
    assert f"Evidence head {head_of(newest)}" in caplog.text
    assert verified("--head", head_of(newest))[0] == 0


def test_digests_of_the_former_time_zone_still_fit(
    cluster: Cluster, chain: list[Assessment]
) -> None:
    last = chain[-1]
    verdicts = sorted(last.verdicts.all(), key=lambda verdict: verdict.control)
    old = digest_of(last.content([verdict.digest for verdict in verdicts], FORMER_ZONE))
    assert old != last.digest
    tamper(cluster, f"UPDATE controls_assessment SET digest = '{old}' WHERE sequence = 4")
    assert examine([Outside(Head(4, old), "a note")]).state == "whole"


def test_a_digest_is_the_same_before_and_after_the_database(cluster: Cluster) -> None:
    judged(1)
    assessment = Assessment.objects.get()
    evidence = {"large": 1e18, "small": 1e-7, "zero": -0.0, "pair": (1, 2.5), 7: "é"}
    row = Verdict(
        assessment=assessment, control="X-001.1", risk="X-001", title="x", state="pass",
        findings=[], evidence=evidence, duration_ms=0.1,
    )  # fmt: skip
    row.digest = digest_of(row.content())
    columns = {f.attname: getattr(row, f.attname) for f in Verdict._meta.concrete_fields}
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute(
            "INSERT INTO controls_verdict (id, assessment_id, control, risk, title, state, findings"
            ", evidence, duration_ms, digest) VALUES (%s, %s, %s, %s, %s, %s, '[]', %s, %s, %s)",
            [columns["id"], columns["assessment_id"], row.control, row.risk, row.title, row.state,
             json.dumps(evidence), row.duration_ms, row.digest],
        )  # fmt: skip
        try:
            stored = Verdict.objects.get(pk=row.pk)
            assert stored.evidence != evidence
            assert digest_of(stored.content()) == row.digest
        finally:
            admin.execute(f"TRUNCATE {TABLES}".encode())


@pytest.mark.parametrize("head", ["", "4", "4:", "0:" + "a" * 64, "4:" + "g" * 64, "'; --", "\0"])
def test_a_head_of_another_form_is_one_sentence(head: str) -> None:
    with pytest.raises(CommandError, match="expected a place and 64 hexadecimal") as refused:
        call_command("verify_evidence", "--head", head)
    assert refused.value.returncode == 3


def age(cluster: Cluster, *places: int) -> None:
    """Make assessments old, with digests that fit, as if time had passed."""
    rows = list(Assessment.objects.order_by("sequence").prefetch_related("verdicts"))
    previous = "0" * 64
    statements = []
    for row in rows:
        if row.sequence in places:
            row.started_at -= timedelta(days=500)
        row.previous_digest = previous
        verdicts = sorted(row.verdicts.all(), key=lambda verdict: verdict.control)
        previous = digest_of(row.content([verdict.digest for verdict in verdicts]))
        statements.append(
            f"UPDATE controls_assessment SET started_at = '{row.started_at.isoformat()}', digest ="
            f" '{previous}', previous_digest = '{row.previous_digest}' WHERE id = '{row.pk}'"
        )
    tamper(cluster, *statements)


def pruned(*arguments: str) -> str:
    out = io.StringIO()
    call_command("prune_evidence", *arguments, stdout=out)
    return out.getvalue()


def test_pruning_pretends_then_leaves_a_checkpoint_that_the_chain_goes_on_from(
    cluster: Cluster, chain: list[Assessment]
) -> None:
    age(cluster, 1, 2)
    assert "Would remove the assessments 1 to 2 with 6 verdicts." in pruned()
    assert Assessment.objects.count() == 4
    assert "Removed the assessments 1 to 2 with 6 verdicts." in pruned("--commit")
    assert list(Assessment.objects.values_list("sequence", flat=True)) == [4, 3]
    assert Verdict.objects.count() == 6
    judged(1)
    newest = Assessment.objects.newest()
    assert newest is not None
    code, said, _ = verified("--head", head_of(newest))
    assert (code, said["removed_up_to"], said["first"], said["last"]) == (0, 2, 3, 5)
    assert "Nothing is older than 400 days" in pruned("--commit")
    checkpoint = Checkpoint.objects.get()
    assert checkpoint.made_by == "test_owner"


def test_a_checkpoint_that_is_changed_or_removed_is_found(
    cluster: Cluster, chain: list[Assessment]
) -> None:
    age(cluster, 1, 2)
    pruned("--commit")
    tamper(cluster, "UPDATE controls_checkpoint SET made_by = 'nobody'")
    assert examine().breaks[0].detail.endswith("changed.")
    tamper(cluster, "DELETE FROM controls_checkpoint")
    assert "no checkpoint tells of their removal" in examine().breaks[0].detail


def test_all_may_be_old_and_the_newest_stays(cluster: Cluster, chain: list[Assessment]) -> None:
    age(cluster, 1, 2, 3, 4)
    assert "1 to 3" in pruned("--commit")
    assert [row.sequence for row in Assessment.objects.all()] == [4]
    assert examine().breaks == []


def test_what_does_not_verify_is_not_removed(cluster: Cluster, chain: list[Assessment]) -> None:
    age(cluster, 1, 2)
    tamper(cluster, "UPDATE controls_verdict SET title = 'forged'")
    with pytest.raises(ChainBroken, match="of assessment 1 was changed"):
        prune(timezone.now() - timedelta(days=400))
    assert Assessment.objects.count() == 4
    with pytest.raises(CommandError, match="Nothing was removed, because that would hide a break"):
        pruned("--commit")


def test_an_impossible_age_is_one_sentence() -> None:
    for days in ("0", "-1", "99999999"):
        with pytest.raises(CommandError, match=f"--keep-days is {days}; expected 1 to 36500"):
            pruned(f"--keep-days={days}")


def test_an_examination_says_what_lies_behind_the_last_confirmed_place() -> None:
    found = Examination(count=3, first=1, head=Head(3, "a" * 64), confirmed=2)
    assert (found.tail, found.state) == (1, "unknown")
    found.confirmed = 3
    assert found.state == "whole"
