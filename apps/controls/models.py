"""Assessments and their verdicts: inserted by the auditor, never changed, chained by digests."""

import hashlib
import json
from datetime import UTC, tzinfo
from typing import Any, ClassVar, Self

from django.db import models
from django.utils import timezone

from apps.database.keys import UUIDKeyed

# What stands before the first assessment in the chain.
GENESIS = "0" * 64
# From here on Python writes a whole float with an exponent, and PostgreSQL without.
_EXPONENT = 1e16


def digest_of(content: Any) -> str:
    """SHA-256 (hexadecimal) of the content's canonical JSON."""
    canonical = json.dumps(
        as_stored(content), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def as_stored(value: Any) -> Any:
    """The value as a JSON column gives it back, so that a digest is the same before and after."""
    if isinstance(value, dict):
        return {str(key): as_stored(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_stored(item) for item in value]
    if isinstance(value, float):
        # PostgreSQL knows no negative zero either.
        return int(value) if value.is_integer() and abs(value) >= _EXPONENT else value + 0.0
    return value


class AssessmentQuerySet(models.QuerySet["Assessment"]):
    """Questions about assessments."""

    def newest_first(self) -> Self:
        return self.order_by("-sequence")

    def newest(self) -> "Assessment | None":
        return self.newest_first().first()


class Assessment(UUIDKeyed):
    """One run of the controls against one database."""

    sequence = models.BigIntegerField(unique=True, help_text="Place in the chain, from 1.")
    database = models.CharField(max_length=200)
    role = models.CharField(max_length=63)
    server_version = models.CharField(max_length=50)
    started_at = models.DateTimeField(db_index=True)
    duration_seconds = models.FloatField()
    totals = models.JSONField(help_text="Number of verdicts by state.")
    complete = models.BooleanField(help_text="Whether every control of the catalogue was judged.")
    surroundings = models.JSONField(
        null=True, help_text="Versions, schema and settings that the verdicts were given among."
    )
    previous_digest = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    objects = AssessmentQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-sequence"]

    def __str__(self) -> str:
        return f"{self.database} at {self.started_at:%Y-%m-%d %H:%M} UTC"

    def content(self, verdict_digests: list[str], zone: tzinfo = UTC) -> dict[str, Any]:
        """What the digest covers: everything but the digest itself, and the verdicts.

        `zone` is how the moment is written. Surroundings count where there are any, so that older
        digests, which know of none, still fit.
        """
        content = {
            "id": str(self.id),
            "sequence": self.sequence,
            "database": self.database,
            "role": self.role,
            "server_version": self.server_version,
            "started_at": self.started_at.astimezone(zone).isoformat(),
            "duration_seconds": self.duration_seconds,
            "totals": self.totals,
            "complete": self.complete,
            "previous_digest": self.previous_digest,
            "verdicts": verdict_digests,
        }
        return (
            content if self.surroundings is None else content | {"surroundings": self.surroundings}
        )


class VerdictQuerySet(models.QuerySet["Verdict"]):
    """Questions about verdicts."""

    def latest_by_control(self) -> Self:
        """The newest verdict of each control, ordered by control."""
        return self.order_by("control", "-assessment__sequence").distinct("control")

    def for_risk(self, code: str) -> Self:
        return self.filter(risk=code)


class Verdict(UUIDKeyed):
    """A control's answer in one assessment."""

    class State(models.TextChoices):
        PASS = "pass", "pass"
        FAIL = "fail", "fail"
        UNKNOWN = "unknown", "unknown"
        NOT_APPLICABLE = "not_applicable", "not applicable"

    assessment = models.ForeignKey(Assessment, on_delete=models.PROTECT, related_name="verdicts")
    control = models.CharField(max_length=20)
    risk = models.CharField(max_length=20)
    title = models.CharField(max_length=200)
    state = models.CharField(max_length=20, choices=State)
    reason = models.TextField(null=True)  # noqa: DJ001  # null says that there is none to give
    findings = models.JSONField()
    evidence = models.JSONField()
    duration_ms = models.FloatField()
    digest = models.CharField(max_length=64)

    objects = VerdictQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["assessment", "control"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["control", "assessment"], name="controls_verdict_control"),
            models.Index(fields=["risk"], name="controls_verdict_risk"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["assessment", "control"], name="controls_verdict_once"),
            models.CheckConstraint(
                condition=models.Q(state__in=["pass", "fail", "unknown", "not_applicable"]),
                name="controls_verdict_state",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.control}: {self.get_state_display()}"

    def content(self) -> dict[str, Any]:
        """What the digest covers."""
        return {
            "id": str(self.id),
            "control": self.control,
            "risk": self.risk,
            "title": self.title,
            "state": self.state,
            "reason": self.reason,
            "findings": self.findings,
            "evidence": self.evidence,
            "duration_ms": self.duration_ms,
        }


class CheckpointQuerySet(models.QuerySet["Checkpoint"]):
    """Questions about checkpoints."""

    def newest(self) -> "Checkpoint | None":
        return self.order_by("-sequence").first()


class Checkpoint(UUIDKeyed):
    """Where old assessments were removed: the chain goes on from the last of them."""

    first = models.BigIntegerField(help_text="Place of the first assessment that was removed.")
    sequence = models.BigIntegerField(unique=True, help_text="Place of the last one.")
    digest = models.CharField(max_length=64, help_text="Digest of the last one.")
    made_at = models.DateTimeField(default=timezone.now)
    made_by = models.CharField(max_length=63, help_text="The role that removed them.")
    previous_seal = models.CharField(max_length=64)
    seal = models.CharField(max_length=64, help_text="Digest of this checkpoint itself.")

    objects = CheckpointQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["sequence"]

    def __str__(self) -> str:
        return f"assessments {self.first} to {self.sequence}, removed {self.made_at:%Y-%m-%d}"

    def content(self) -> dict[str, Any]:
        """What the seal covers: everything but the seal itself."""
        return {
            "id": str(self.id),
            "first": self.first,
            "sequence": self.sequence,
            "digest": self.digest,
            "made_at": self.made_at.astimezone(UTC).isoformat(),
            "made_by": self.made_by,
            "previous_seal": self.previous_seal,
        }
