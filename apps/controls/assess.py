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
from apps.controls.changes import Change
from apps.controls.control import Control, State, Verdict
from apps.controls.inspection import KnownEntries, Target
from apps.controls.judge import Budget, judge
from apps.controls.suppressions import Suppression, suppress
from apps.controls.surroundings import surroundings
from apps.database.chains import Head
from apps.database.connection import acting_as, open_wrapper, role_entry
from apps.database.direct import require_direct
from apps.database.facts.server import server_version, session_role
from config.database import DatabaseEntry, is_socket

logger = logging.getLogger(__name__)

# Any number serves, so long as nothing else in the database takes it.
CHAIN_LOCK = 0x486F6C64
# Evidence that cannot be written soon is not worth waiting for: the report says so.
RECORD_LOCK_MILLISECONDS = 1000


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
    expired: tuple[Suppression, ...] = ()
    unused: tuple[Suppression, ...] = ()
    # None when nobody asked.
    changes: tuple[Change, ...] | None = None

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
            "suppressions": {
                "expired": [suppression.as_json() for suppression in self.expired],
                "unused": [suppression.as_json() for suppression in self.unused],
            },
            "changes": None if self.changes is None else [c.as_json() for c in self.changes],
        }


def own_target(alias: str = DEFAULT_DB_ALIAS) -> Target:
    """The project's own database, judged by the auditor."""
    entries = {
        "auditor": role_entry("auditor"),
        "app": settings.DATABASES[alias],
    }
    return Target(name=alias, entries=entries, own=True)


def address_target(entry: DatabaseEntry, app_role: str = "") -> Target:
    """A database that is not the project's, judged by the role of its address.

    `app_role` is the role that its service uses, where that is known.
    """
    name = str(entry["NAME"])
    if not is_socket(entry):
        name = f"{entry['HOST']}:{entry['PORT'] or 5432}/{name}"
    return Target(name=name, entries=KnownEntries(auditor=entry), own=False, app_role=app_role)


def assess(
    target: Target,
    controls: Sequence[Control],
    *,
    active: bool | None = None,
    budget: Budget | None = None,
    progress: Callable[[Verdict], None] = lambda verdict: None,
    suppressions: Sequence[Suppression] = (),
) -> Report:
    """Judge the target. Raises DatabaseError when it cannot be reached at all.

    Active controls are judged on the project's own database, elsewhere when `active` says so.
    """
    started_at, start = timezone.now(), time.monotonic()
    with closing(open_wrapper(target.entries["auditor"])) as connection:
        require_direct(connection)
        with connection.cursor() as cursor:
            role, version = session_role(cursor), server_version(cursor)
        verdicts = []
        attempts = target.own if active is None else active
        for verdict in judge(controls, target, connection, active=attempts, budget=budget):
            progress(verdict)
            verdicts.append(verdict)
    applied = suppress(verdicts, suppressions, timezone.localdate(started_at))
    return Report(
        database=target.name,
        role=role,
        server_version=version,
        started_at=started_at,
        duration_seconds=time.monotonic() - start,
        verdicts=applied.verdicts,
        expired=applied.expired,
        unused=applied.unused,
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
        cursor.execute(
            "SELECT pg_catalog.set_config('lock_timeout', %s, true)",
            [f"{RECORD_LOCK_MILLISECONDS}ms"],
        )
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
