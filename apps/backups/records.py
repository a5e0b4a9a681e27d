"""Writes the catalogue's rows, as the owner role; the sidecars are the truth they follow."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection, transaction

from apps.backups.catalogue import Backup, Verification, as_json, read_catalogue
from apps.backups.models import BackupRow, VerificationRow, fields_of_backup
from apps.database.connection import acting_as


@dataclass(frozen=True)
class Rebuilt:
    """How many rows follow the sidecars now, how many were dropped, and what could not be read."""

    backups: int
    verifications: int
    dropped: int
    unreadable: dict[str, str]


def record_backup(backup: Backup) -> None:
    """The row of a backup whose sidecar was written; repeating it changes nothing."""
    with acting_as("owner"):
        if _is_migrated():
            _backup_row(backup)


def record_verification(verification: Verification) -> None:
    """The row of a verification; none when the backup has no row, until the next rebuild."""
    with acting_as("owner"):
        found = BackupRow.objects.filter(name=verification.name)
        row = found.first() if _is_migrated() else None
        if row is not None:
            _verification_row(row, verification)


def forget_backup(name: str) -> None:
    """Drop the rows of a backup that was removed."""
    with acting_as("owner"):
        if _is_migrated():
            BackupRow.objects.filter(name=name).delete()


def rebuild() -> Rebuilt:
    """Make the rows say what the sidecars say; after a lost database, or whenever in doubt."""
    found = read_catalogue()
    with acting_as("owner"), transaction.atomic():
        gone = BackupRow.objects.exclude(name__in=[backup.name for backup in found.backups])
        dropped = gone.count()
        gone.delete()
        rows = {backup.name: _backup_row(backup) for backup in found.backups}
        known = [v for v in found.verifications if v.name in rows]
        for verification in known:
            _verification_row(rows[verification.name], verification)
    return Rebuilt(len(rows), len(known), dropped, found.unreadable)


def _is_migrated() -> bool:
    """Whether there are tables for rows; the backup before the first migration has none yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.to_regclass(%s)", [BackupRow._meta.db_table])
        return cursor.fetchone()[0] is not None


def _backup_row(backup: Backup) -> BackupRow:
    values = fields_of_backup(backup) | {"content": _content(backup)}
    row, _ = BackupRow.objects.update_or_create(name=backup.name, defaults=values)
    return row


def _verification_row(row: BackupRow, verification: Verification) -> None:
    VerificationRow.objects.update_or_create(
        backup=row,
        verified_at=verification.verified_at,
        defaults={
            "verdict": verification.verdict,
            "reason": verification.reason,
            "restore_seconds": verification.restore_seconds,
            "content": _content(verification),
        },
    )


def _content(said: Backup | Verification) -> Any:
    """As the sidecar has it."""
    return json.loads(as_json(asdict(said)))
