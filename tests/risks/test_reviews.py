"""What changes, fails or ends makes a review due, until a person says that it was done."""

import io
import json
import secrets
import stat
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.controls.assess import assess, own_target, record
from apps.controls.discovery import all_controls, select
from apps.controls.surroundings import surroundings
from apps.database.connection import acting_as
from apps.database.server import Cluster
from apps.risks.lifetimes import ENDS, end_of, series_of
from apps.risks.models import Review
from apps.risks.models.review import TRIGGERS
from apps.risks.reviews import AGAIN, Judgement, judge_reviews, record_reviews, trigger_lines
from apps.risks.vulnerabilities import CannotAudit, known_vulnerabilities
from apps.schema.models import MigrationOutcome, MigrationRun
from tests import environment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def assessed(transactional_db: None, cluster: Cluster) -> Iterator[None]:
    """One recorded assessment, around which everything is as it is now."""
    record(assess(own_target(), select(all_controls(), ["SEC-005.1"])), complete=False)
    yield
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("TRUNCATE controls_verdict, controls_assessment")
        admin.execute("TRUNCATE schema_migrationoutcome, schema_migrationrun")


def live(**changed: Any) -> dict[str, Any]:
    with acting_as("auditor"):
        return surroundings(connection) | changed


def judged(
    found: dict[str, Any] | None = None, audit: Any = list, now: datetime | None = None
) -> dict[str, Judgement]:
    """What a look finds, by trigger; written down."""
    now = now or timezone.now()
    judgements = judge_reviews(found or live(), now, audit)
    record_reviews(judgements, now)
    return {judgement.trigger: judgement for judgement in judgements}


def changed_versions(**versions: str) -> dict[str, Any]:
    now = live()
    return now | {"versions": now["versions"] | versions}


def done(trigger: str) -> None:
    """A person does in the admin what is due."""
    keeper = User.objects.filter(username="keeper").first() or User.objects.create_superuser(
        "keeper", password=secrets.token_urlsafe()
    )
    client = Client()
    client.force_login(keeper)
    review = Review.objects.due().get(trigger=trigger)
    data = {"action": "mark_as_done", "_selected_action": [str(review.pk)]}
    url = reverse("admin:risks_review_changelist")
    assert b"Done: " in client.post(url, data, follow=True).content
    review.refresh_from_db()
    assert review.done_by == keeper


def test_nothing_is_due_while_nothing_has_changed() -> None:
    states = {name: judgement.state for name, judgement in judged().items()}
    assert states == dict.fromkeys(TRIGGERS, "not due")
    assert Review.objects.count() == 0


def test_another_version_of_driver_or_framework_is_due_and_named() -> None:
    found = judged(changed_versions(Django="9.9", psycopg="9.8"))["versions"]
    assert found.state == "due"
    assert "Django 5.2" in found.reason
    assert "→ 9.9; psycopg" in found.reason
    assert Review.objects.get().trigger == "versions"


def test_another_schema_is_due(cluster: Cluster) -> None:
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("CREATE TABLE reviewed (id int)")
        try:
            assert judged()["schema"].state == "due"
        finally:
            admin.execute("DROP TABLE reviewed")
    # It stays due though the table is gone: somebody has to look at what that was.
    assert judged()["schema"].state == "not due"
    (line,) = [line for line in trigger_lines() if line.name == "schema"]
    assert (line.state, line.review is not None) == ("due", True)


def test_other_settings_of_the_pool_are_due(settings: Any) -> None:
    settings.WEB_THREADS += 4
    found = judged()["pool"]
    assert found.state == "due"
    assert f"threads {settings.WEB_THREADS - 4} → {settings.WEB_THREADS}" in found.reason


def test_another_database_that_is_joined_is_due() -> None:
    joined = live()["joined"]
    found = judged(live(joined=joined | {"foreign servers": ["billing"]}))["joined"]
    assert (found.state, "foreign servers none → billing" in found.reason) == ("due", True)


def test_a_locked_schema_is_unknown_and_not_unchanged(cluster: Cluster) -> None:
    with cluster.connect(environment.DATABASE) as admin:
        admin.autocommit = False
        admin.execute("LOCK TABLE risks_risk IN ACCESS EXCLUSIVE MODE")
        found = judged()
        admin.rollback()
    assert found["schema"].state == "unknown"
    assert found["versions"].state == "not due"


def test_a_failed_migration_is_due_and_a_good_one_is_not() -> None:
    with acting_as("owner"):
        good = MigrationRun.objects.create(role="o", plan=["a.1"], backwards=False)
        MigrationOutcome.objects.create(run=good, result="done")
    assert judged()["migrations"].state == "not due"
    with acting_as("owner"):
        bad = MigrationRun.objects.create(role="o", plan=["a.2"], backwards=False)
        MigrationOutcome.objects.create(run=bad, result="failed")
    found = judged()["migrations"]
    assert (found.state, found.reason.endswith("failed.")) == ("due", True)
    done("migrations")
    assert judged()["migrations"].state == "not due"


def test_a_migration_that_never_ended_is_due_after_an_hour() -> None:
    with acting_as("owner"):
        run = MigrationRun.objects.create(role="o", plan=["a.1"], backwards=False)
    assert judged()["migrations"].state == "not due"
    later = run.started_at + timedelta(hours=2)
    assert "never ended" in judged(now=later)["migrations"].reason


def test_what_is_past_its_end_is_due_again_after_a_while() -> None:
    old = changed_versions(PostgreSQL="13.4")
    found = judged(old)["lifetimes"]
    assert (found.state, found.reason) == ("due", "PostgreSQL 13.4 ended on 2025-11-13.")
    done("lifetimes")
    assert judged(old)["lifetimes"].state == "not due"
    assert judged(old, now=timezone.now() + AGAIN)["lifetimes"].state == "due"
    assert judged(changed_versions(PostgreSQL="99.1"))["lifetimes"].state == "unknown"


@pytest.mark.parametrize(
    ("product", "version", "series", "end"),
    [
        ("PostgreSQL", "18.6", "18", date(2030, 11, 14)),
        ("PostgreSQL", "9.6.24", "9", date(2025, 11, 13)),
        ("PostgreSQL", "19beta1", "19", None),
        ("Python", "3.11.9", "3.11", date(2027, 10, 31)),
        ("Python", "3.9.1", "3.9", date(2026, 10, 31)),
        ("Django", "5.2.19", "5.2", date(2028, 4, 30)),
        ("Django", "6.0", "6.0", None),
    ],
)
def test_the_end_of_a_version_is_that_of_its_series(
    product: str, version: str, series: str, end: date | None
) -> None:
    assert series_of(product, version) == series
    assert end_of(product, version) == end
    assert set(ENDS) == {"PostgreSQL", "Python", "Django"}


def test_a_known_vulnerability_is_due_and_a_new_one_again() -> None:
    found = judged(audit=lambda: ["django 5.2.1: X-1, mended in 5.2.2"])["vulnerabilities"]
    assert (found.state, "X-1" in found.reason) == ("due", True)
    done("vulnerabilities")
    assert judged(audit=lambda: ["django 5.2.1: X-1, mended in 5.2.2"])[
        "vulnerabilities"
    ].state == ("not due")
    assert judged(audit=lambda: ["a 1: Y-2, mended in 2"])["vulnerabilities"].state == "due"


def pip_audit(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program of this name, which answers as the real one does."""
    program = folder / "pip-audit"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setattr("sys.executable", str(folder / "python"))


ANSWER = {
    "dependencies": [
        {"name": "sound", "version": "1.0", "vulns": []},
        {"name": "left-out", "skip_reason": "not on the index"},
        {
            "name": "django", "version": "5.2.1",
            "vulns": [
                {"id": "PYSEC-1", "fix_versions": ["5.2.2"], "aliases": []},
                {"id": "PYSEC-2", "fix_versions": [], "aliases": []},
            ],
        },
    ],
    "fixes": [],
}  # fmt: skip


def test_the_answer_of_pip_audit_is_read_whatever_it_ends_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "answer.json").write_text(json.dumps(ANSWER))
    pip_audit(tmp_path, monkeypatch, f"cat {tmp_path}/answer.json; exit 1")
    assert known_vulnerabilities() == [
        "django 5.2.1: PYSEC-1, mended in 5.2.2",
        "django 5.2.1: PYSEC-2, mended in no version yet",
    ]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'ConnectionError: no route to pypi.org' >&2; exit 1", "no route to pypi.org"),
        ("exit 1", "it ended with 1"),
        ("echo '[]'", "it ended with 0"),
        ("echo '{\"dependencies\": []}'", "has looked at nothing"),
        (
            'echo \'{"dependencies": [{"name": "django", "skip_reason": "not found on PyPI"}]}\'',
            "passed over 1 of 1, such as django: not found on PyPI",
        ),
    ],
)
def test_an_audit_that_cannot_look_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    pip_audit(tmp_path, monkeypatch, script)
    with pytest.raises(CannotAudit, match=said):
        known_vulnerabilities()
    assert judged(audit=known_vulnerabilities)["vulnerabilities"].state == "unknown"


def test_without_pip_audit_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotAudit, match="pip-audit is not installed"):
        known_vulnerabilities()


def run(*arguments: str) -> tuple[int, str, str]:
    out = io.StringIO()
    try:
        call_command("reviews", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), ""


def test_the_exit_code_tells_due_from_unknown_from_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    code, said, sentence = run("--offline")
    assert (code, sentence) == (2, "1 unknown, none due.")
    assert "unknown  Known vulnerabilities: It was not asked for: --offline." in said
    sound = '{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}'
    pip_audit(tmp_path, monkeypatch, f"echo '{sound}'")
    assert run()[0] == 0
    settings.WEB_THREADS += 1
    code, said, sentence = run("--format", "json")
    assert (code, sentence) == (1, "1 due; who has looked marks it in /admin/risks/review/.")
    lines = {line["trigger"]: line for line in json.loads(said)["triggers"]}
    assert (lines["pool"]["state"], set(lines)) == ("due", set(TRIGGERS))
    assert datetime.fromisoformat(lines["pool"]["due_since"]).tzinfo == UTC
    done("pool")
    assert run()[0] == 0


def test_without_an_assessment_what_is_compared_is_unknown(cluster: Cluster) -> None:
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("TRUNCATE controls_verdict, controls_assessment")
    found = judged()
    for part in ("versions", "schema", "pool", "joined"):
        assert found[part].state == "unknown"
        assert "manage.py assess" in found[part].reason


def test_a_trigger_that_nobody_has_looked_at_is_unknown() -> None:
    assert {line.state for line in trigger_lines()} == {"unknown"}
    assert "manage.py reviews" in trigger_lines()[0].reason
