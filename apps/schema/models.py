"""What was migrated when, and how it ended: inserted by the owner, never changed."""

from typing import ClassVar, Self

from django.db import models
from django.utils import timezone

from apps.database.keys import UUIDKeyed
from apps.schema.rehearsal_record import Rehearsal as Rehearsal


class MigrationRunQuerySet(models.QuerySet["MigrationRun"]):
    """Questions about runs."""

    def newest_first(self) -> Self:
        return self.order_by("-started_at", "-id")

    def unfinished(self) -> Self:
        """Runs whose end nobody wrote down: their process was killed."""
        return self.filter(outcome__isnull=True)


class MigrationRun(UUIDKeyed):
    """One `migrate` that had something to do, written before its first migration."""

    started_at = models.DateTimeField(default=timezone.now, db_index=True)
    role = models.CharField(max_length=63)
    plan = models.JSONField(help_text="The migrations in order, such as shop.0002_price.")
    backwards = models.BooleanField()
    backup = models.CharField(max_length=200, blank=True, help_text="The backup taken first.")
    no_backup_reason = models.TextField(blank=True)
    destructive = models.JSONField(default=list, help_text="What was allowed to destroy data.")

    objects = MigrationRunQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-started_at"]

    def __str__(self) -> str:
        return f"{len(self.plan)} migrations at {self.started_at:%Y-%m-%d %H:%M} UTC"


class MigrationOutcome(UUIDKeyed):
    """How a run ended, written after its last migration."""

    class Result(models.TextChoices):
        DONE = "done", "done"
        FAILED = "failed", "failed"
        INTERRUPTED = "interrupted", "interrupted"
        KILLED = "killed", "killed"

    run = models.OneToOneField(MigrationRun, on_delete=models.PROTECT, related_name="outcome")
    ended_at = models.DateTimeField(default=timezone.now)
    result = models.CharField(max_length=20, choices=Result)
    durations = models.JSONField(default=dict, help_text="Seconds by migration.")
    error = models.TextField(blank=True)
    state = models.TextField(blank=True, help_text="What state the database was left in.")

    class Meta:
        ordering: ClassVar[list[str]] = ["-ended_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(result__in=["done", "failed", "interrupted", "killed"]),
                name="schema_outcome_result",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_result_display()} at {self.ended_at:%Y-%m-%d %H:%M} UTC"
