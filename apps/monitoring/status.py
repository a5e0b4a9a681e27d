"""How the work that runs by itself goes: each job with its last run and its next."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cronsim import CronSim
from django.utils import timezone

from apps.monitoring.models import JobRun
from apps.monitoring.schedule import JOBS, Job


@dataclass(frozen=True)
class JobStatus:
    """A job, its newest run if there was one, and when it falls due next (UTC)."""

    job: Job
    last: JobRun | None
    due_at: datetime | None

    @property
    def state(self) -> str:
        """never, running, done or failed; a worker that died leaves its run in `running`."""
        if self.last is None:
            return "never"
        if self.last.finished_at is None:
            return "running"
        return "done" if self.last.exit_code in self.job.answers else "failed"

    @property
    def badge(self) -> str:
        """The name of the badge that the state has."""
        return {"done": "pass", "failed": "fail"}.get(self.state, "unknown")

    def as_json(self) -> dict[str, Any]:
        last = self.last
        return {
            "name": self.job.name,
            "command": self.job.command,
            "cron": self.job.cron,
            "due_at": self.due_at.isoformat() if self.due_at else None,
            "state": self.state,
            "started_at": last.started_at.isoformat() if last else None,
            "finished_at": last.finished_at.isoformat() if last and last.finished_at else None,
            "exit_code": last.exit_code if last else None,
            "said": last.said if last else None,
        }


def job_statuses() -> list[JobStatus]:
    """Every job, in the order of the schedule."""
    newest = {run.job: run for run in JobRun.objects.newest_by_job()}
    return [JobStatus(job, newest.get(job.name), due_at(job)) for job in JOBS]


def due_at(job: Job) -> datetime | None:
    """When the job falls due next; None when only on request."""
    if job.cron is None:
        return None
    return next(CronSim(job.cron, timezone.now().astimezone(UTC)))
