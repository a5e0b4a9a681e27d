"""One assessment: the catalogue judges a database, and the auditor writes the evidence down."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.utils import timezone

from apps.controls import models
from apps.controls.control import Control, State, Verdict
from apps.controls.inspection import Target
from apps.controls.judge import Budget, judge
from apps.controls.surroundings import surroundings
from apps.database.chains import Head
from apps.database.connection import acting_as, open_wrapper, role_entry
from apps.database.direct import require_direct
from apps.database.facts.server import server_version, session_role

logger = logging.getLogger(__name__)

# Any number serves, so long as nothing else in the database takes it.
CHAIN_LOCK = 0x486F6C64


@dataclass(frozen=True)
class Report:
    """What one run found."""

    database: str
    role: str
    server_version: str
    started_at: datetime
    duration_seconds: float
    verdicts: tuple[Verdict, ...]
    assessment: UUID | None = None

    @property
    def totals(self) -> dict[str, int]:
        counts = Counter(verdict.state for verdict in self.verdicts)
        return {str(state): counts[state] for state in State}

    @property
    def exit_code(self) -> int:
        """0 all pass · 1 a failure · 2 an unknown and no failure."""
        states = {verdict.state for verdict in self.verdicts}
        if State.FAIL in states:
            return 1
        return 2 if State.UNKNOWN in states or not states else 0

    def as_json(self) -> dict[str, Any]:
        return {
            "assessment": str(self.assessment) if self.assessment else None,
            "database": self.database,
            "role": self.role,
            "server_version": self.server_version,
            "started_at": self.started_at.isoformat(),
            "duration_seconds": round(self.duration_seconds, 3),
            "totals": self.totals,
            "verdicts": [verdict.as_json() for verdict in self.verdicts],
        }


def own_target(alias: str = DEFAULT_DB_ALIAS) -> Target:
    """The project's own database, judged by the auditor."""
    entries = {
        "auditor": role_entry("auditor"),
        "app": settings.DATABASES[alias],
    }
    return Target(name=alias, entries=entries, own=True)


def assess(
    target: Target,
    controls: Sequence[Control],
    *,
    active: bool = True,
    budget: Budget | None = None,
    progress: Callable[[Verdict], None] = lambda verdict: None,
) -> Report:
    """Judge the target. Raises DatabaseError when it cannot be reached at all."""
    started_at, start = timezone.now(), time.monotonic()
    with closing(open_wrapper(target.entries["auditor"])) as connection:
        require_direct(connection)
        with connection.cursor() as cursor:
            role, version = session_role(cursor), server_version(cursor)
        verdicts = []
        for verdict in judge(controls, target, connection, active=active, budget=budget):
            progress(verdict)
            verdicts.append(verdict)
    return Report(
        database=target.name,
        role=role,
        server_version=version,
        started_at=started_at,
        duration_seconds=time.monotonic() - start,
        verdicts=tuple(verdicts),
    )


def record(report: Report, *, complete: bool) -> Report:
    """Append the report to the evidence, as the auditor, and return it with the row's id.

    `complete` says that the whole catalogue was judged. The new head goes to the log too, so that
    there is somebody outside the database who remembers it. Raises DatabaseError when refused.
    """
    with acting_as("auditor"):
        around = surroundings(connections[DEFAULT_DB_ALIAS])
        with transaction.atomic():
            assessment = _append(report, complete=complete, around=around)
    logger.info("Evidence head %s", Head(assessment.sequence, assessment.digest))
    return replace(report, assessment=assessment.id)


def _append(report: Report, *, complete: bool, around: dict[str, Any]) -> models.Assessment:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        # The next place in the chain is read and taken by one assessment at a time.
        cursor.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", [CHAIN_LOCK])
    last = _last()
    assessment = models.Assessment(
        sequence=last.sequence + 1,
        database=report.database,
        role=report.role,
        server_version=report.server_version,
        started_at=report.started_at,
        duration_seconds=round(report.duration_seconds, 3),
        totals=report.totals,
        complete=complete,
        surroundings=around,
        previous_digest=last.digest,
    )
    verdicts = [_row(assessment, verdict) for verdict in report.verdicts]
    assessment.digest = models.digest_of(assessment.content([row.digest for row in verdicts]))
    assessment.save(force_insert=True)
    models.Verdict.objects.bulk_create(verdicts)
    return assessment


def _last() -> Head:
    """What the next assessment goes on from; a checkpoint where everything else was removed."""
    newest = models.Assessment.objects.newest() or models.Checkpoint.objects.newest()
    return Head(newest.sequence, newest.digest) if newest else Head(0, models.GENESIS)


def _row(assessment: models.Assessment, verdict: Verdict) -> models.Verdict:
    said = verdict.as_json()
    row = models.Verdict(
        assessment=assessment,
        control=verdict.control,
        risk=verdict.risk,
        title=verdict.title,
        state=str(verdict.state),
        reason=verdict.reason,
        findings=said["findings"],
        evidence=said["evidence"],
        duration_ms=said["duration_ms"],
    )
    row.digest = models.digest_of(row.content())
    return row
