"""Makes one backup: a dump streamed into the storage, then its sidecar; or leaves nothing."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db import DatabaseError
from django.utils import timezone

from apps.backups.catalogue import (
    SIDECAR,
    Backup,
    backup_storage,
    location_of,
    stored_names,
    write_sidecar,
)
from apps.backups.dumping import Dump, Dumped, Wanted
from apps.backups.encryption import encrypted
from apps.backups.records import record_backup
from apps.backups.streams import Gzipped, Measured, zstd_compressed
from apps.backups.tools import ToolError

# Stands beside a backup in the making; django-dbbackup does not list it.
STARTED = ".started.metadata"
ENDINGS = {"zstd": ".zst", "gzip": ".gz"}


class NameRefused(Exception):
    """The storage has a file of the wanted name, or the name leads elsewhere."""


@dataclass(frozen=True)
class Form:
    """How a dump is packed: "zstd", "gzip" or "none", then encrypted to the recipients, if any."""

    compression: str
    recipients: list[str]

    @property
    def ending(self) -> str:
        return ENDINGS[self.compression] + (".age" if self.recipients else "")


@dataclass(frozen=True)
class Stored:
    """A file that a storage has taken."""

    name: str
    bytes: int
    sha256: str


@contextmanager
def packed(dump: Dump, form: Form) -> Iterator[Any]:
    """The dump as it will be stored."""
    with ExitStack() as stack:
        stream: Any = Gzipped(dump) if form.compression == "gzip" else zstd_compressed(dump)
        if form.recipients:
            stream = encrypted(stream, form.recipients)
            stack.callback(stream.close)
        yield stream


def make_backup(
    entry: dict[str, Any],
    name: str,
    wanted: Wanted,
    form: Form,
    progress: Callable[[int], None] | None = None,
    before_sidecar: Callable[[str], None] | None = None,
) -> Backup:
    """Dump the database into the storage and say so in a sidecar and a row.

    Whatever fails on the way, nothing is left that could pass for a backup. Raises ToolError,
    KeyProblem, NameRefused, or what the storage raises.
    """
    storage = backup_storage()
    if "/" in name or "\x00" in name:
        raise NameRefused(f"The name {name[:80]!r} holds '/' or NUL; expected a plain file name.")
    sweep(storage)
    if storage.exists(name):
        raise NameRefused(
            f"The storage has a file {name!r} already; expected a new name, or remove that one."
        )
    storage.save(f"{name}{STARTED}", ContentFile(json.dumps({"name": name}).encode()))
    try:
        with Dump(entry, wanted) as dump:
            stored = _store(storage, name, dump, form, progress)
            dumped = dump.finish()
        backup = backup_of(str(entry["NAME"]), stored, dumped, wanted, form)
        if before_sidecar is not None:
            before_sidecar(name)
        write_sidecar(backup)
    except BaseException:
        _remove(storage, name)
        raise
    storage.delete(f"{name}{STARTED}")
    _record(backup)
    return backup


def _record(backup: Backup) -> None:
    try:
        record_backup(backup)
    except DatabaseError as error:
        raise ToolError(
            f"{backup.name} is complete, but its row was not written "
            f"({str(error).strip().splitlines()[0]}); afterwards: manage.py rebuild_catalogue"
        ) from None


def _store(
    storage: Storage,
    name: str,
    dump: Dump,
    form: Form,
    progress: Callable[[int], None] | None,
) -> Stored:
    with ExitStack() as stack:
        # Should the storage fail, the dump must end before the thread that reads it can.
        try:
            stream = stack.enter_context(packed(dump, form))
            measured = Measured(stream, progress)
            saved = storage.save(name, measured)  # type: ignore[arg-type]  # a File in all it uses
        except BaseException:
            dump.end()
            raise
    if saved != name:
        storage.delete(saved)
        raise NameRefused(f"Somebody else has just made {name!r}; start again.")
    return Stored(saved, measured.bytes, measured.sha256)


def backup_of(
    database: str, stored: Stored, dumped: Dumped, wanted: Wanted, form: Form, gpg: bool = False
) -> Backup:
    """What the sidecar will say; `gpg` when the library has encrypted the dump its own way."""
    contents = dumped.contents
    return Backup(
        name=stored.name,
        database=database,
        server_version=contents.server_version,
        tool_version=dumped.tool_version,
        started_at=dumped.started_at,
        finished_at=timezone.now(),
        bytes=stored.bytes,
        sha256=stored.sha256,
        location=location_of(backup_storage()),
        compression=form.compression,
        encryption="gpg" if gpg else "age" if form.recipients else None,
        recipients=form.recipients,
        partial=wanted.partial,
        fingerprints=wanted.fingerprints,
        schema_digest=contents.schema_digest,
        locale=contents.locale,
        extensions=contents.extensions,
        migrations=contents.migrations,
        tables=contents.tables,
        sequences=dumped.sequences,
        heads=contents.heads,
        fingerprint_method=wanted.fingerprint_method,
    )


def sweep(storage: Storage) -> list[str]:
    """Remove what runs left that were killed before they could; returns the backups' names.

    Only files that a mark says were being made, and longer ago than making one may take.
    """
    names = set(stored_names())
    oldest = timezone.now() - timedelta(seconds=settings.BACKUP_TIMEOUT)
    swept = []
    for mark in sorted(name for name in names if name.endswith(STARTED)):
        if storage.get_modified_time(mark) > oldest:
            continue
        name = mark.removesuffix(STARTED)
        if f"{name}{SIDECAR}" not in names:
            storage.delete(name)
            swept.append(name)
        storage.delete(mark)
    return swept


def _remove(storage: Storage, name: str) -> None:
    """Of a backup that failed; what the storage refuses to delete now, the next run sweeps."""
    for left in (f"{name}{SIDECAR}", name, f"{name}.metadata", f"{name}{STARTED}"):
        with suppress(Exception):
            storage.delete(left)
