"""`manage.py assess`: the right controls turn, and the exit code with them."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.controls.models import Assessment
from apps.database.server import Cluster
from tests import environment

pytestmark = pytest.mark.django_db(transaction=True)

# The test database has no backups, and its process no web server: those risks are judged elsewhere.
RISKS = ("--risk", "SEC-005", "TECH-005", "PERF-002", "SEC-004", "TECH-003")
# Nothing was recorded yet to compare visitors with.
UNSEEN = {"SEC-005.9"}


def assess(*arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the JSON report."""
    out = io.StringIO()
    code = 0
    try:
        call_command("assess", *arguments, "--format", "json", stdout=out)
    except CommandError as error:
        code = error.returncode
    return code, json.loads(out.getvalue()) if out.getvalue() else {}


def states(report: dict[str, Any]) -> dict[str, str]:
    return {verdict["control"]: verdict["state"] for verdict in report["verdicts"]}


@pytest.fixture
def superuser_app(cluster: Cluster) -> Iterator[None]:
    with cluster.connect() as admin:
        admin.execute("ALTER ROLE test_app SUPERUSER")
        yield
        admin.execute("ALTER ROLE test_app NOSUPERUSER")


@pytest.fixture
def dropped_index(cluster: Cluster) -> Iterator[str]:
    """A foreign key's index is gone, and comes back."""
    with cluster.connect(environment.DATABASE) as admin:
        row = admin.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'django_admin_log'"
            " AND indexdef LIKE '%(user_id)%'"
        ).fetchone()
        assert row is not None
        admin.execute(f'DROP INDEX "{row[0]}"'.encode())
        yield "public.django_admin_log.user_id"
        admin.execute(row[1].encode())


def test_a_sound_database_passes_and_tls_does_not_apply_over_a_socket() -> None:
    code, report = assess(*RISKS, "--no-record")
    assert code == 2, report["verdicts"]
    assert report["assessment"] is None
    assert report["role"] == "test_auditor"
    found = states(report)
    # Over a socket there is no TLS, and without PgBouncer nothing to judge about one.
    inapplicable = {c for c, state in found.items() if state == "not_applicable"}
    assert inapplicable == {c for c in found if c.startswith("SEC-004")} | {"TECH-003.3"}
    assert {found[control] for control in UNSEEN} == {"unknown"}
    assert {found[control] for control in found.keys() - inapplicable - UNSEEN} == {"pass"}


def test_a_superuser_as_app_role_fails(superuser_app: None) -> None:
    code, report = assess(*RISKS, "--no-record")
    found = states(report)
    assert code == 1
    assert found["SEC-005.1"] == found["SEC-005.4"] == "fail"
    assert found["PERF-002.1"] == found["TECH-005.1"] == "pass"


def test_a_dropped_index_fails_where_it_is_missed(dropped_index: str) -> None:
    code, report = assess(*RISKS, "--no-record")
    failing = {verdict["control"]: verdict for verdict in report["verdicts"] if verdict["findings"]}
    assert code == 1
    assert set(failing) == {"PERF-002.1", "TECH-005.2"}
    for verdict in failing.values():
        assert [finding["subject"] for finding in verdict["findings"]] == [dropped_index]


def test_an_assessment_is_recorded_by_the_auditor(cluster: Cluster) -> None:
    _, report = assess("--control", "PERF-002.1")
    recorded = Assessment.objects.get(id=report["assessment"])
    assert (recorded.role, recorded.totals["pass"], recorded.complete) == ("test_auditor", 1, False)
    with cluster.connect(environment.DATABASE) as owner:
        owner.execute("TRUNCATE controls_verdict, controls_assessment")


def test_an_unknown_control_or_alias_could_not_run() -> None:
    for arguments, message in (
        (["--control", "SEC-999.1"], "no control or risk 'SEC-999.1'"),
        (["--database", "elsewhere"], "no database alias 'elsewhere'"),
    ):
        with pytest.raises(CommandError, match=message) as caught:
            call_command("assess", *arguments, stdout=io.StringIO())
        assert caught.value.returncode == 3


def test_the_table_groups_by_risk_and_ends_with_totals() -> None:
    out = io.StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("assess", *RISKS, "--no-record", stdout=out)
    assert ended.value.returncode == 2
    lines = out.getvalue().splitlines()
    assert any("SEC-005.1" in line and " pass " in line for line in lines)
    assert re.search(r"^[0-9]+ pass · 0 fail · 1 unknown · [0-9]+ not applicable$", lines[-1])
