"""What was rehearsed when: inserted by the owner, never changed."""

from typing import ClassVar, Self

from django.db import models
from django.utils import timezone

from apps.database.keys import UUIDKeyed


class RehearsalQuerySet(models.QuerySet["Rehearsal"]):
    """Questions about rehearsals."""

    def newest_first(self) -> Self:
        return self.order_by("-started_at", "-id")


class Rehearsal(UUIDKeyed):
    """One rehearsal of what was pending, as `rehearse_migrations --format json` says it."""

    started_at = models.DateTimeField(default=timezone.now, db_index=True)
    source = models.CharField(max_length=20, help_text="empty, live or backup.")
    backup = models.CharField(max_length=200, blank=True)
    copied_at = models.DateTimeField(help_text="Of which moment the copy's rows are.")
    plan = models.JSONField(help_text="The migrations in order, such as shop.0002_price.")
    safe = models.BooleanField(help_text="No migration was unsafe, and each was reached.")
    duration_seconds = models.FloatField()
    report = models.JSONField(help_text="The whole report.")

    objects = RehearsalQuerySet.as_manager()

    class Meta:
        app_label = "schema"
        ordering: ClassVar[list[str]] = ["-started_at"]

    def __str__(self) -> str:
        word = "safe" if self.safe else "unsafe"
        return f"{len(self.plan)} migrations, {word}, at {self.started_at:%Y-%m-%d %H:%M} UTC"
