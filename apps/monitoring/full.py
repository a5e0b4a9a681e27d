"""The whole health, for people and programs that may know it: everything that the service rests on.

A check says what is wrong with the actual value and what to type, and never repeats a server's
words. A new one joins `ReportView.get_checks`.
"""

import abc
import dataclasses
import shutil
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable, ServiceWarning

from apps.controls.catalogue.data_002_no_backup_strategy import LONGEST_AGE, LONGEST_PROOF_AGE
from apps.database.statistics import ConnectionStatistics, current, published
from apps.monitoring.access import is_reader, refused
from apps.monitoring.facts import Facts, gather
from apps.monitoring.health import Check, DatabaseAnswers, MigrationsApplied, ProbeView
from apps.monitoring.patience import OutOfTime, Shared
from apps.monitoring.states import Unseen
from apps.risks.exposure import FRESH_FOR
from config.commands import manage

FACTS_SECONDS = 2.5
# Other processes publish every five seconds while they serve.
PUBLISHED_SECONDS = 15.0
LONGEST_LAG_SECONDS = 30.0
LEAST_FREE_SHARE, LITTLE_FREE_SHARE = 0.05, 0.10


def seen(asked: Shared[Facts]) -> Facts:
    """The facts; Unseen when the database gives no answer, which the check of it says."""
    try:
        return asked.get()
    except (DatabaseError, OutOfTime) as error:
        raise Unseen("the database gives no answer") from error


def hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.1f} h"


@dataclasses.dataclass(repr=False)
class OfFacts(Check):
    """A check that judges what the one connection showed."""

    asked: Shared[Facts]

    def run(self) -> None:
        self.judge(seen(self.asked))

    @abc.abstractmethod
    def judge(self, facts: Facts) -> None:
        """Raise what is wrong."""


class Encrypted(OfFacts):
    """The session is encrypted, or does not travel over a network."""

    name = "tls"

    def judge(self, facts: Facts) -> None:
        if facts.look.over_socket or facts.look.tls.encrypted:
            return
        wrong = "the session travels in clear text; see docs/tls.md"
        # One host may be excepted, and on a developer's machine there is seldom a certificate.
        excepted = settings.DATABASE_PLAINTEXT_HOST is not None or not settings.PRODUCTION
        raise (ServiceWarning if excepted else ServiceUnavailable)(wrong)


class Replicas(OfFacts):
    """Standbys are close behind."""

    name = "replicas"

    def judge(self, facts: Facts) -> None:
        found = facts.replication
        if found is None or (found.unseen and found.longest is None):
            raise Unseen("this role may not see how far behind the standbys are")
        if (found.longest or 0.0) > LONGEST_LAG_SECONDS:
            raise ServiceUnavailable(
                f"a standby is {found.longest:.0f} s behind; expected at most "
                f"{LONGEST_LAG_SECONDS:.0f} s"
            )


class BackupIsRecent(OfFacts):
    """There is a backup of today or yesterday."""

    name = "backup"

    def judge(self, facts: Facts) -> None:
        if facts.backups is None:
            raise Unseen("this role may not read the catalogue of the backups")
        _require_recent(facts.backups.finished_at, LONGEST_AGE, "backup", manage("dbbackup"))


class BackupIsProven(OfFacts):
    """A backup was restored and compared not long ago."""

    name = "restore"

    def judge(self, facts: Facts) -> None:
        if facts.backups is None:
            raise Unseen("this role may not read the catalogue of the backups")
        remedy = manage("verify_backup --latest")
        _require_recent(facts.backups.verified_at, LONGEST_PROOF_AGE, "proven restore", remedy)


class Judged(OfFacts):
    """The last assessment is fresh, and nothing fails in it."""

    name = "assessment"

    def judge(self, facts: Facts) -> None:
        if facts.assessed is None:
            raise Unseen("this role may not read the assessments")
        _require_recent(facts.assessed.started_at, FRESH_FOR, "assessment", manage("assess"))
        failing, unknown = facts.assessed.count("fail"), facts.assessed.count("unknown")
        if failing or unknown:
            raise ServiceWarning(f"{failing} controls fail, {unknown} could not see")


def _require_recent(at: datetime | None, longest: timedelta, what: str, remedy: str) -> None:
    if at is None:
        raise ServiceUnavailable(f"there is no {what}; type: {remedy}")
    age = timezone.now() - at
    if age > longest:
        raise ServiceUnavailable(
            f"the last {what} is {hours(age)} old; expected at most {hours(longest)}; "
            f"type: {remedy}"
        )


@dataclasses.dataclass(repr=False)
class PoolHasRoom(Check):
    """No request waits for a connection while every one is taken."""

    name = "pool"

    def run(self) -> None:
        if settings.DATABASE_POOL_MODE == "persistent":
            # Every thread has a connection of its own.
            return
        if settings.DATABASE_POOL_MODE == "pgbouncer":
            raise Unseen("PgBouncer has the pool; its console tells: SHOW POOLS")
        processes = processes_now()
        full = [process for process in processes if process.waiting and not process.idle]
        if full:
            raise ServiceUnavailable(
                f"{sum(p.waiting for p in full)} requests wait in {len(full)} of "
                f"{len(processes)} processes; see docs/pool-sizing.md"
            )


def processes_now() -> list[ConnectionStatistics]:
    """This process's connections, and those of others that have just published theirs."""
    here, now = current(), time.time()
    others = [p for p in published() if p.process != here.process]
    return [here, *(p for p in others if now - p.at < PUBLISHED_SECONDS)]


@dataclasses.dataclass(repr=False)
class DiskHasRoom(Check):
    """The disks of this machine that the service writes to have room."""

    least_share: float = LEAST_FREE_SHARE
    little_share: float = LITTLE_FREE_SHARE
    name = "disk"

    def run(self) -> None:
        share = min(map(free_share, written_folders()))
        if share < self.little_share:
            kind = ServiceUnavailable if share < self.least_share else ServiceWarning
            raise kind(f"{share:.0%} of a disk is free; expected {self.little_share:.0%} at least")


def written_folders() -> list[Path]:
    """Where statistics and backups go; a bucket is no disk of ours."""
    location = settings.STORAGES["dbbackup"].get("OPTIONS", {}).get("location")
    bucket = settings.STORAGES["dbbackup"].get("OPTIONS", {}).get("bucket_name")
    folders = [settings.RUNTIME_DIR, *([location] if location and not bucket else [])]
    return [Path(folder) for folder in folders]


def free_share(folder: Path) -> float:
    """The free share of the disk that the folder is, or would be, on."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    usage = shutil.disk_usage(there)
    return usage.free / usage.total if usage.total else 1.0


class ReportView(ProbeView):
    """`/health/`: every check, for those who may read."""

    scraped = True

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not await is_reader(request):
            return refused(request)
        return await super().get(request, *args, **kwargs)

    def get_checks(self) -> Iterator[HealthCheck]:
        asked = Shared(FACTS_SECONDS, gather)
        yield DatabaseAnswers(asked)
        yield MigrationsApplied(asked)
        for check in (Encrypted, Replicas, BackupIsRecent, BackupIsProven, Judged):
            yield check(asked)
        yield PoolHasRoom()
        yield DiskHasRoom()
