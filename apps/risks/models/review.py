"""What makes a new look at a profile necessary, and who has looked."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.database.keys import UUIDKeyed

DUE, NOT_DUE, UNKNOWN = "due", "not due", "unknown"
TRIGGERS = {
    "versions": "Driver, framework and server versions",
    "schema": "The schema",
    "pool": "The pool's settings",
    "joined": "Databases that are joined to this one",
    "migrations": "Failed migrations",
    "lifetimes": "Versions past their end",
    "vulnerabilities": "Known vulnerabilities",
}


def trigger_choices() -> list[tuple[str, str]]:
    """A callable, so that no migration holds the words."""
    return list(TRIGGERS.items())


class Trigger(UUIDKeyed):
    """What was seen of one trigger at the last look; `manage.py reviews` writes it."""

    name = models.CharField(max_length=40, unique=True, choices=trigger_choices)
    state = models.CharField(max_length=10)
    reason = models.TextField()
    judged_at = models.DateTimeField()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"


class ReviewQuerySet(models.QuerySet["Review"]):
    """Named questions about reviews."""

    def due(self) -> "ReviewQuerySet":
        """Those that nobody has done."""
        return self.filter(done_at__isnull=True)

    def done(self) -> "ReviewQuerySet":
        return self.filter(done_at__isnull=False)


class Review(UUIDKeyed):
    """A look at the profile that became due, until a person says that it was done.

    `seen` holds the facts of the trigger when it was last due; once the review is done they are
    what later facts are compared with.
    """

    trigger = models.CharField(max_length=40, choices=trigger_choices)
    reason = models.TextField()
    seen = models.JSONField()
    due_since = models.DateTimeField(default=timezone.now)
    note = models.TextField(blank=True, help_text="What was looked at, and what was changed.")
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    done_at = models.DateTimeField(null=True, blank=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ("-due_since", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("trigger",),
                condition=Q(done_at__isnull=True),
                name="risks_review_due_once",
            ),
            models.CheckConstraint(
                condition=Q(done_by__isnull=True, done_at__isnull=True)
                | Q(done_by__isnull=False, done_at__isnull=False),
                name="risks_review_done_when",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_trigger_display()}, due since {self.due_since:%Y-%m-%d}"
