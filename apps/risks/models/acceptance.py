"""What people decide about risks: acceptances, which expire, and the gate's words over time."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from apps.database.keys import UUIDKeyed
from apps.risks.models.profile import Profile, Revision
from apps.risks.models.risk import Risk

# Who lives with a risk for longer than this looks at it again.
LONGEST = timedelta(days=366)


class AcceptanceQuerySet(models.QuerySet["Acceptance"]):
    """Named questions about acceptances."""

    def of_profile(self, profile: Profile) -> "AcceptanceQuerySet":
        """Of whichever revision of the profile."""
        return self.filter(risk__revision__profile=profile)

    def lasting(self, now: datetime) -> "AcceptanceQuerySet":
        """Neither withdrawn nor expired, approved or not."""
        return self.filter(withdrawn_at__isnull=True, until__gte=now.date())

    def approved(self) -> "AcceptanceQuerySet":
        return self.filter(approved_by__isnull=False)


class Acceptance(UUIDKeyed):
    """A person's decision to live with a risk, until a day, approved by another person.

    The importer never makes one. It covers the risk of the same code in later revisions too, as
    long as that is not assessed worse than what was accepted.
    """

    risk = models.ForeignKey(Risk, on_delete=models.PROTECT, related_name="acceptances")
    score = models.PositiveSmallIntegerField(
        null=True, blank=True, editable=False, help_text="The worse of stated and computed then."
    )
    reason = models.TextField(help_text="Why the risk can be lived with, and what is done instead.")
    reference = models.CharField(
        max_length=200, blank=True, help_text="A ticket or a document, if there is one."
    )
    until = models.DateField(help_text="The last day (UTC); a year from now at most.")
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", editable=False
    )
    accepted_at = models.DateTimeField(default=timezone.now, editable=False)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        editable=False,
    )
    approved_at = models.DateTimeField(null=True, blank=True, editable=False)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        editable=False,
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = AcceptanceQuerySet.as_manager()

    class Meta:
        ordering = ("-accepted_at", "-id")
        permissions = (("approve_acceptance", "Can approve another person's acceptance"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("accepted_by")),
                name="risks_acceptance_two_persons",
            ),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True, approved_at__isnull=True)
                | Q(approved_by__isnull=False, approved_at__isnull=False),
                name="risks_acceptance_approved_when",
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_by__isnull=True, withdrawn_at__isnull=True)
                | Q(withdrawn_by__isnull=False, withdrawn_at__isnull=False),
                name="risks_acceptance_withdrawn_when",
            ),
        )

    def __str__(self) -> str:
        return f"{self.risk.code} until {self.until}"

    def clean(self) -> None:
        super().clean()
        today = timezone.now().date()
        if self.until and not today <= self.until <= today + LONGEST:
            raise ValidationError(
                {
                    "until": f"{self.until} is not from today to {today + LONGEST}; an acceptance "
                    "lasts a year at most, then somebody looks again."
                }
            )

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self._state.adding:
            self.score = self.risk.worst_score
        super().save(*args, **kwargs)

    def state(self, now: datetime) -> str:
        """Proposed, active, expired or withdrawn; only an active one counts."""
        if self.withdrawn_at:
            return "withdrawn"
        if self.until < now.date():
            return "expired"
        return "active" if self.approved_by_id else "proposed"

    def covers(self, risk: Risk) -> bool:
        """Whether the decision still fits: the same risk, assessed no worse than it was then."""
        same = (self.risk.code, self.risk.occurrence) == (risk.code, risk.occurrence)
        if not same or risk.worst_score is None:
            return same and self.score is None
        return self.score is not None and risk.worst_score <= self.score


class GateDecision(UUIDKeyed):
    """What the gate of a profile said from then on, until it said something else."""

    revision = models.ForeignKey(
        Revision, on_delete=models.PROTECT, related_name="gate_decisions", db_index=False
    )
    decided_at = models.DateTimeField(default=timezone.now)
    gate = models.CharField(max_length=10)
    document_gate = models.CharField(max_length=10)
    reason = models.TextField()

    class Meta:
        ordering = ("-decided_at", "-id")
        indexes = (models.Index(fields=("revision", "decided_at"), name="risks_gatedecision_when"),)

    def __str__(self) -> str:
        return f"{self.gate} since {self.decided_at:%Y-%m-%d %H:%M} UTC"
