"""What became of the work that runs by itself: written by the worker as owner."""

from datetime import timedelta
from typing import ClassVar, Self

from django.db import models

from apps.database.keys import UUIDKeyed


class JobRunQuerySet(models.QuerySet["JobRun"]):
    """Questions about runs."""

    def newest_first(self) -> Self:
        return self.order_by("-started_at", "-id")

    def newest_by_job(self) -> Self:
        """The newest run of each job, ordered by job."""
        return self.order_by("job", "-started_at", "-id").distinct("job")


class JobRun(UUIDKeyed):
    """One attempt at one job; without an end its worker died, or it still runs."""

    job = models.CharField(max_length=50)
    queue_id = models.BigIntegerField(help_text="The number of the job in the queue.")
    attempt = models.PositiveIntegerField(help_text="How often it was begun before, from 0.")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    exit_code = models.IntegerField(null=True)
    said = models.TextField(blank=True, default="", db_default="", help_text="Its last line.")

    objects = JobRunQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-started_at"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["job", "-started_at"], name="monitoring_jobrun_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.job} at {self.started_at:%Y-%m-%d %H:%M} UTC"

    @property
    def duration(self) -> timedelta | None:
        return self.finished_at - self.started_at if self.finished_at else None
