"""Metrics that the database itself tells: asked in a budget, kept a while, absent if unknown."""

import threading
import time
from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db import DatabaseError
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.backups.catalogue import Proof
from apps.controls.control import State
from apps.controls.discovery import all_controls
from apps.monitoring.facts import Assessed, Backups, Facts, gather
from apps.monitoring.patience import OutOfTime, within
from apps.schema.models import MigrationOutcome

BUDGET_SECONDS = 2.0
# Several scrapers, or one that asks every second, cost the database no more than one.
KEPT_SECONDS = 5.0
GROUPS = ("server", "replication", "sessions", "backups", "assessments", "migrations")


class FactsCollector(Collector):
    """Asks at most once in a while; what cannot be seen has no sample but its `…_up 0`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._facts: Facts | None = None
        self._asked_at: float | None = None

    def collect(self) -> Iterator[Metric]:
        facts = self._recent()
        yield _gauge("database_up", "Whether the database answers.", facts is not None)
        seen = dict.fromkeys(GROUPS, False)
        if facts is not None:
            seen = _seen(facts)
            yield from families(facts)
        up = GaugeMetricFamily(
            "holdfast_facts_up", "Whether these facts of the database were seen.", labels=["facts"]
        )
        for group, known in seen.items():
            up.add_metric([group], known)
        yield up

    def _recent(self) -> Facts | None:
        with self._lock:
            now = time.monotonic()
            if self._asked_at is None or now - self._asked_at > KEPT_SECONDS:
                self._facts = _ask()
                self._asked_at = time.monotonic()
            return self._facts


def _ask() -> Facts | None:
    try:
        return within(BUDGET_SECONDS, gather)
    except (DatabaseError, OutOfTime):
        # database_up says it; the log has it from the check of ready.
        return None


def _seen(facts: Facts) -> dict[str, bool]:
    return {
        "server": facts.activity is not None,
        "replication": facts.replication is not None and not facts.replication.unseen,
        "sessions": facts.clear_sessions is not None,
        "backups": facts.backups is not None,
        "assessments": facts.assessed is not None,
        "migrations": facts.migration_runs is not None,
    }


def families(facts: Facts) -> Iterator[Metric]:
    """A metric for each fact that was seen."""
    yield _gauge("migrations_pending", "Migrations that wait.", len(facts.look.pending))
    encrypted = facts.look.tls.encrypted
    yield _gauge("session_encrypted", "Whether a session of this role is encrypted.", encrypted)
    over_network = not facts.look.over_socket
    yield _gauge("session_over_network", "Whether it travels over a network.", over_network)
    if facts.activity is not None:
        found = facts.activity
        yield _counter("server_commits", "Commits that the server counted.", found.commits)
        yield _counter("server_rollbacks", "Rollbacks that the server counted.", found.rollbacks)
        yield _counter("server_deadlocks", "Deadlocks that the server counted.", found.deadlocks)
        yield _gauge("server_sessions", "Sessions of the whole server.", found.sessions)
        yield _gauge("server_sessions_limit", "Its max_connections.", found.max_connections)
        yield _gauge("database_size_bytes", "Size of the database.", found.bytes)
    if facts.replication is not None and not facts.replication.unseen:
        lag = facts.replication.longest
        yield _gauge("replicas", "Standbys that are known.", len(facts.replication.lags))
        if lag is not None:
            yield _gauge("replica_lag_seconds", "How far the slowest standby is behind.", lag)
    if facts.clear_sessions is not None:
        yield _gauge("sessions_in_clear", "Unencrypted network sessions.", facts.clear_sessions)
    if facts.backups is not None:
        yield from _of_backups(facts.backups)
    if facts.assessed is not None:
        yield from _of_assessments(facts.assessed)
    if facts.migration_runs is not None:
        yield from _of_migrations(facts.migration_runs)


def _of_backups(found: Backups) -> Iterator[Metric]:
    yield _gauge("backups", "Whole backups of this database in the catalogue.", found.count)
    yield from _moment("backup_finished", "When the newest was made.", found.finished_at)
    yield from _moment("backup_verified", "When one was last proven.", found.verified_at)
    if found.bytes is not None:
        yield _gauge("backup_size_bytes", "Size of the newest backup.", found.bytes)
    verdicts = GaugeMetricFamily(
        "holdfast_backup_verifications", "Attempts to prove a backup.", labels=["verdict"]
    )
    for proof in Proof:
        word = proof.value.replace(" ", "_")
        verdicts.add_metric([word], found.verifications.get(proof.value, 0))
    yield verdicts


def _of_assessments(found: Assessed) -> Iterator[Metric]:
    yield from _moment("assessment", "When the database was last judged.", found.started_at)
    verdicts = GaugeMetricFamily(
        "holdfast_verdicts", "Newest verdicts by risk and state.", labels=["risk", "state"]
    )
    for risk in sorted({control.risk for control in all_controls()}):
        for state in State:
            verdicts.add_metric([risk, state], found.verdicts.get((risk, state), 0))
    yield verdicts


def _of_migrations(found: dict[str, int]) -> Iterator[Metric]:
    runs = CounterMetricFamily(
        "holdfast_migration_runs", "Runs of migrate by their end.", labels=["result"]
    )
    for result in MigrationOutcome.Result.values:
        runs.add_metric([result], found.get(result, 0))
    yield runs
    unfinished = found.get("unfinished", 0)
    yield _gauge("migration_runs_unfinished", "Runs that go on, or were killed.", unfinished)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"holdfast_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"holdfast_{name}", text, value=value)


def _moment(name: str, text: str, at: datetime | None) -> Iterable[Metric]:
    """Seconds since 1970, and no sample for what never was."""
    if at is not None:
        yield _gauge(f"{name}_timestamp_seconds", text, at.timestamp())


FACTS = CollectorRegistry()
FACTS.register(FactsCollector())
