"""Evidence is added by the auditor only, changed by nobody, and chained."""

from collections.abc import Iterator

import psycopg
import pytest

from apps.controls.assess import assess, own_target, record
from apps.controls.discovery import all_controls, select
from apps.controls.models import GENESIS, Assessment, Verdict, digest_of
from apps.database.server import Cluster
from tests import environment

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = ("controls_assessment", "controls_verdict")


@pytest.fixture
def evidence(cluster: Cluster) -> Iterator[list[Assessment]]:
    """Two recorded assessments, oldest first."""
    controls = select(all_controls(), ["PERF-002.1", "SEC-005.1"])
    for _ in range(2):
        record(assess(own_target(), controls), complete=False)
    yield list(Assessment.objects.order_by("sequence"))
    with cluster.connect(environment.DATABASE) as owner:
        owner.execute("TRUNCATE controls_verdict, controls_assessment")


def connect(cluster: Cluster, role: str) -> psycopg.Connection:
    credential = getattr(environment.roles, role)
    return psycopg.connect(
        cluster.address(credential.name, credential.password, environment.DATABASE),
        autocommit=True,
    )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("app", "INSERT INTO {} DEFAULT VALUES"),
        ("app", "UPDATE {} SET digest = ''"),
        ("app", "DELETE FROM {}"),
        ("app", "TRUNCATE {} CASCADE"),
        ("auditor", "UPDATE {} SET digest = ''"),
        ("auditor", "DELETE FROM {}"),
        ("auditor", "TRUNCATE {} CASCADE"),
    ],
)
def test_the_server_refuses_what_would_change_evidence(
    cluster: Cluster, evidence: list[Assessment], role: str, statement: str, table: str
) -> None:
    with connect(cluster, role) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.format(table).encode())
        # It is not that the role sees nothing.
        seen = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        assert seen is not None
        assert seen[0] >= 2


def test_assessments_form_a_chain_whose_digests_can_be_computed_again(
    evidence: list[Assessment],
) -> None:
    first, second = evidence
    assert (first.sequence, first.previous_digest) == (1, GENESIS)
    assert (second.sequence, second.previous_digest) == (2, first.digest)
    for assessment in evidence:
        verdicts = list(assessment.verdicts.order_by("control"))
        assert [v.digest for v in verdicts] == [digest_of(v.content()) for v in verdicts]
        content = assessment.content([v.digest for v in verdicts])
        assert assessment.digest == digest_of(content)


def test_a_changed_verdict_no_longer_fits_its_digest(evidence: list[Assessment]) -> None:
    verdict = Verdict.objects.filter(assessment=evidence[0]).earliest("control")
    verdict.state = "fail" if verdict.state == "pass" else "pass"
    assert verdict.digest != digest_of(verdict.content())


def test_the_newest_verdict_of_each_control_is_of_the_newest_assessment(
    evidence: list[Assessment],
) -> None:
    newest = Verdict.objects.latest_by_control()
    assert {verdict.assessment_id for verdict in newest} == {evidence[1].id}
    assert [verdict.control for verdict in newest] == ["PERF-002.1", "SEC-005.1"]
