"""Copies of the backups in a second place, which outlives the machine."""

import json

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.core.files.storage.filesystem import FileSystemStorage

from apps.backups.catalogue import (
    SIDECAR,
    Backup,
    backup_storage,
    backups,
    checksum,
    location_of,
    open_stored,
)
from apps.backups.streams import Measured

OFFSITE = "offsite"


class CopyFailed(Exception):
    """A copy is not what was copied; the message is one sentence."""


def offsite_storage() -> Storage | None:
    """The second place, or None when none is configured."""
    return storages[OFFSITE] if OFFSITE in storages.backends else None


def is_the_first_place(storage: Storage) -> bool:
    """Whether the second place is where the backups themselves are."""
    return location_of(storage) == location_of(backup_storage())


def lies_on_this_machine(storage: Storage) -> bool:
    return isinstance(storage, FileSystemStorage)


def copy_missing(database: str, *, read_back: bool = False) -> list[str]:
    """Copy every backup that the second place lacks; returns their names. Raises CopyFailed.

    With `read_back` the copies that are there are read to their ends, and made anew where damaged.
    """
    storage = offsite_storage()
    if storage is None:
        raise CopyFailed(
            "There is no second place for backups; expected BACKUP_OFFSITE_DIR or "
            "BACKUP_OFFSITE_BUCKET."
        )
    if is_the_first_place(storage):
        raise CopyFailed(
            f"The second place is {location_of(storage)}, where the backups are already; expected "
            "another one in BACKUP_OFFSITE_DIR or BACKUP_OFFSITE_BUCKET."
        )
    copied = []
    for backup in backups(database):
        if difference(backup, storage, read_back=read_back) is not None:
            _copy(backup, storage)
            copied.append(backup.name)
    return copied


def difference(backup: Backup, storage: Storage, *, read_back: bool = False) -> str | None:
    """How the copy of a backup is not the backup; None when it is.

    As far as its size and its sidecar tell, unless it is read back.
    """
    if not storage.exists(f"{backup.name}{SIDECAR}") or not storage.exists(backup.name):
        return "there is no copy"
    size = storage.size(backup.name)
    if size != backup.bytes:
        return f"the copy has {size} bytes instead of {backup.bytes}"
    with storage.open(f"{backup.name}{SIDECAR}") as stream:
        try:
            stated = json.loads(stream.read()).get("sha256")
        except ValueError:
            return "the copy's sidecar cannot be read"
    if stated != backup.sha256:
        return "the copy is of another backup of the same name"
    if read_back and checksum(backup.name, storage) != (backup.bytes, backup.sha256):
        return "the copy's checksum is not the backup's"
    return None


def _copy(backup: Backup, storage: Storage) -> None:
    """The file, read back, and only then the sidecar that says that it is there."""
    sidecar = f"{backup.name}{SIDECAR}"
    for name in (sidecar, backup.name):
        storage.delete(name)
    with open_stored(backup.name) as stream:
        storage.save(backup.name, Measured(stream))  # type: ignore[arg-type]  # a File in its use
    if checksum(backup.name, storage) != (backup.bytes, backup.sha256):
        storage.delete(backup.name)
        raise CopyFailed(f"The copy of {backup.name} is not what its sidecar says; it was removed.")
    with backup_storage().open(sidecar) as stream:
        storage.save(sidecar, ContentFile(stream.read()))
