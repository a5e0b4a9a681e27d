"""Which backups there are: one exists once its sidecar exists, one counts once it was restored."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from apps.database.facts.tables import TableContent

# django-dbbackup lists every file but those with this ending.
SIDECAR = ".sidecar.metadata"
VERIFIED = ".verified.metadata"
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Backup:
    """What a sidecar says about one backup. Times are aware, `sha256` hexadecimal."""

    name: str
    database: str
    server_version: str
    tool_version: int
    started_at: datetime
    finished_at: datetime
    bytes: int
    sha256: str
    tables: dict[str, TableContent]


@dataclass(frozen=True)
class Verification:
    """One attempt to prove a backup by restoring it; `reason` is None when it was proven."""

    name: str
    verified_at: datetime
    proven: bool
    reason: str | None
    restore_seconds: float


def backup_storage() -> Storage:
    return storages["dbbackup"]


def backups(database: str | None = None) -> list[Backup]:
    """The complete backups, of this database only when one is named; oldest first."""
    found = [_backup(said) for said in _read_all(SIDECAR)]
    return sorted(
        (b for b in found if database in (None, b.database)), key=lambda b: (b.finished_at, b.name)
    )


def newest(database: str | None = None) -> Backup | None:
    return next(reversed(backups(database)), None)


def newest_proof(database: str) -> Verification | None:
    """The newest successful verification of a backup of this database that still exists."""
    names = {backup.name for backup in backups(database)}
    proofs = [v for v in map(_verification, _read_all(VERIFIED)) if v.proven and v.name in names]
    return max(proofs, key=lambda proof: proof.verified_at, default=None)


def write_sidecar(backup: Backup) -> None:
    """Say that the backup is complete; the last step of making one."""
    _write(f"{backup.name}{SIDECAR}", asdict(backup))


def write_verification(verification: Verification) -> None:
    _write(f"{verification.name}{VERIFIED}", asdict(verification))


def checksum(name: str) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a stored backup."""
    digest, size = hashlib.sha256(), 0
    with backup_storage().open(name) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _read_all(ending: str) -> Iterator[dict[str, Any]]:
    storage = backup_storage()
    if not storage.exists(""):
        return
    for name in sorted(storage.listdir("")[1]):
        if not name.endswith(ending):
            continue
        with storage.open(name) as stream:
            try:
                said = json.loads(stream.read())
            except ValueError:
                # A sidecar cut short proves nothing: the backup does not exist.
                continue
        # The backup itself must still be there.
        if storage.exists(name.removesuffix(ending)):
            yield said


def _write(name: str, said: dict[str, Any]) -> None:
    storage = backup_storage()
    # Storages never overwrite: they would choose another name.
    storage.delete(name)
    storage.save(name, ContentFile(json.dumps(said, default=str, indent=1).encode()))


def _backup(said: dict[str, Any]) -> Backup:
    tables = {name: TableContent(**content) for name, content in said["tables"].items()}
    return Backup(
        **said
        | {
            "started_at": datetime.fromisoformat(said["started_at"]),
            "finished_at": datetime.fromisoformat(said["finished_at"]),
            "tables": tables,
        }
    )


def _verification(said: dict[str, Any]) -> Verification:
    return Verification(**said | {"verified_at": datetime.fromisoformat(said["verified_at"])})
