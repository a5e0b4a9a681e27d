"""The catalogue as rows: what the sidecars say, where the web page may read it."""

from typing import Any, ClassVar, Self

from django.db import models

from apps.backups.catalogue import (
    Backup,
    Proof,
    Verification,
    backup_from,
    verification_from,
)
from apps.database.keys import UUIDKeyed


class BackupRowQuerySet(models.QuerySet["BackupRow"]):
    """Questions about the backups of the catalogue."""

    def newest_first(self) -> Self:
        return self.order_by("-finished_at", "-name")

    def of(self, database: str) -> Self:
        return self.filter(database=database)


class BackupRow(UUIDKeyed):
    """One complete backup; `content` is its sidecar."""

    name = models.CharField(max_length=255, unique=True)
    database = models.CharField(max_length=200)
    server_version = models.CharField(max_length=50)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(db_index=True)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    location = models.CharField(max_length=1000)
    encrypted = models.BooleanField()
    partial = models.BooleanField()
    content = models.JSONField()

    objects = BackupRowQuerySet.as_manager()

    class Meta:
        verbose_name = "backup"
        ordering: ClassVar[list[str]] = ["-finished_at", "-name"]

    def __str__(self) -> str:
        return self.name

    def backup(self) -> Backup:
        return backup_from(self.content)


class VerificationRowQuerySet(models.QuerySet["VerificationRow"]):
    """Questions about the attempts to prove backups."""

    def newest_first(self) -> Self:
        return self.order_by("-verified_at")

    def proven(self) -> Self:
        return self.filter(verdict=Proof.PROVEN)


def proofs() -> list[tuple[str, str]]:
    """A callable, so that no migration holds the words."""
    return [(proof.value, proof.value) for proof in Proof]


class VerificationRow(UUIDKeyed):
    """One attempt to prove a backup; `content` is its sidecar."""

    backup = models.ForeignKey(BackupRow, on_delete=models.CASCADE, related_name="verifications")
    verified_at = models.DateTimeField(db_index=True)
    verdict = models.CharField(max_length=20, choices=proofs)
    reason = models.TextField(null=True)  # noqa: DJ001  # null says that it was proven
    restore_seconds = models.FloatField()
    content = models.JSONField()

    objects = VerificationRowQuerySet.as_manager()

    class Meta:
        verbose_name = "verification"
        ordering: ClassVar[list[str]] = ["-verified_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["backup", "verified_at"], name="backups_verification_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.backup}: {self.verdict}"

    def verification(self) -> Verification:
        return verification_from(self.content)


def fields_of_backup(backup: Backup) -> dict[str, Any]:
    """The columns that a backup fills, without its name and content."""
    columns = (
        "database", "server_version", "started_at", "finished_at", "bytes", "sha256", "location",
        "encrypted", "partial",
    )  # fmt: skip
    return {column: getattr(backup, column) for column in columns}


class AttestationQuerySet(models.QuerySet["Attestation"]):
    """Questions about attestations."""

    def newest_of(self, provider: str) -> "Attestation | None":
        return self.filter(provider=provider).order_by("-attested_at").first()


class Attestation(UUIDKeyed):
    """Somebody has looked at a provider's own backups, and says what they saw."""

    provider = models.CharField(max_length=100)
    schedule = models.CharField(max_length=200)
    retention_days = models.PositiveIntegerField()
    checked_by = models.CharField(max_length=200)
    attested_at = models.DateTimeField(db_index=True)

    objects = AttestationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-attested_at"]

    def __str__(self) -> str:
        return f"{self.provider}, {self.attested_at:%Y-%m-%d}"
