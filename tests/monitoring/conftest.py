"""A service that has all that its health asks for: a proven backup and a fresh assessment."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from apps.backups.catalogue import Proof
from apps.backups.models import BackupRow, VerificationRow
from apps.controls import models
from apps.controls.assess import Report, record
from apps.controls.control import State, Verdict
from apps.database.connection import acting_as
from apps.database.server import Cluster
from apps.monitoring import health, states
from tests import environment


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a start: never ready yet, and nothing known of any check."""
    monkeypatch.setattr(health, "_has_been_ready", threading.Event())
    monkeypatch.setattr(states, "_known", {})


LeadsTo = Callable[..., None]


@pytest.fixture
def leads_to(monkeypatch: pytest.MonkeyPatch) -> LeadsTo:
    """Lets the service's address lead to another host and port, for new connections."""
    entry = settings.DATABASES["default"]

    def lead(host: str, port: int | str = "") -> None:
        monkeypatch.setitem(entry, "HOST", host)
        monkeypatch.setitem(entry, "PORT", port)

    return lead


def back_up(hours: float = 1, *, proven_hours: float | None = 0.5) -> BackupRow:
    """A backup of so many hours ago, and its proof."""
    made = timezone.now() - timedelta(hours=hours)
    with acting_as("owner"):
        row = BackupRow.objects.create(
            name=f"{made:%Y-%m-%d-%H%M%S}.psql.bin.zst", database=environment.DATABASE,
            server_version="18.6", started_at=made, finished_at=made, bytes=4096, sha256="0" * 64,
            location="/var/backups", encrypted=False, partial=False, content={},
        )  # fmt: skip
        if proven_hours is not None:
            VerificationRow.objects.create(
                backup=row, verified_at=timezone.now() - timedelta(hours=proven_hours),
                verdict=Proof.PROVEN, reason=None, restore_seconds=1.5, content={},
            )  # fmt: skip
    return row


def judge(*found: tuple[str, State], hours: float = 1, complete: bool = True) -> None:
    """An assessment of so many hours ago, with a verdict for each control."""
    verdicts = tuple(
        Verdict(control, control.rpartition(".")[0], "a control", state, None, ())
        for control, state in found
    )
    at = timezone.now() - timedelta(hours=hours)
    record(Report("default", "auditor", "18.6", at, 0.5, verdicts), complete=complete)


@pytest.fixture
def evidence(transactional_db: None, cluster: Cluster) -> Iterator[None]:
    """Room for assessments, emptied afterwards."""
    yield
    with cluster.connect(environment.DATABASE) as owner:
        owner.execute("TRUNCATE controls_verdict, controls_assessment")


@pytest.fixture
def healthy(evidence: None) -> None:
    back_up()
    judge(("SEC-004.1", State.PASS), ("PERF-002.1", State.PASS))
    assert models.Verdict.objects.count() == 2
