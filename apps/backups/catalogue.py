"""Which backups there are: one exists once its sidecar exists, one counts once it was restored."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from apps.database.chains import Head
from apps.database.facts.fingerprints import METHODS
from apps.database.facts.tables import TableContent

# django-dbbackup lists every file but those with this ending.
SIDECAR = ".sidecar.metadata"
VERIFIED = ".verified.metadata"
# The number of the sidecars' form; a sidecar of another form is not read.
FORMAT = 1
CHUNK_BYTES = 1 << 20


class Unreadable(Exception):
    """A sidecar that says nothing; the message says why."""


@dataclass(frozen=True)
class SequencePosition:
    """What a sequence would have given next when the dump began, and when it ended."""

    before: int
    after: int


@dataclass(frozen=True)
class Backup:
    """What a sidecar says about one backup. Times are aware, digests hexadecimal.

    `bytes` and `sha256` are of the stored file, `compression` is "zstd", "gzip" or "none" and
    `encryption` None, "age" or "gpg". `migrations` holds the names that were applied, by
    application. `locale` has encoding, provider, collate and ctype. A `partial` backup lacks
    tables or schemas, and never counts as proof. `heads` has the heads of the database's chains by
    table, so that what is cut off a chain's end is missed; older sidecars have none.
    `fingerprint_method` is the one of `facts.fingerprints` that the tables' were taken by, None
    when they were not taken.
    """

    name: str
    database: str
    server_version: str
    tool_version: int
    started_at: datetime
    finished_at: datetime
    bytes: int
    sha256: str
    location: str
    compression: str
    encryption: str | None
    recipients: list[str]
    partial: bool
    fingerprints: bool
    schema_digest: str
    locale: dict[str, str]
    extensions: dict[str, str]
    migrations: dict[str, list[str]]
    tables: dict[str, TableContent]
    sequences: dict[str, SequencePosition]
    heads: dict[str, Head] = field(default_factory=dict)
    # The sidecars of the first method do not name it.
    fingerprint_method: int | None = 1

    @property
    def encrypted(self) -> bool:
        return self.encryption is not None

    @property
    def server_major(self) -> int:
        return int(self.server_version.partition(".")[0])

    @property
    def rows(self) -> int:
        return sum(content.rows for content in self.tables.values())


class Proof(StrEnum):
    """What restoring a backup showed; unknown where this machine could not tell."""

    PROVEN = "proven"
    NOT_PROVEN = "not proven"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verification:
    """One attempt to prove a backup by restoring it; `reason` is None when it was proven."""

    name: str
    verified_at: datetime
    verdict: Proof
    reason: str | None
    restore_seconds: float
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def proven(self) -> bool:
        return self.verdict is Proof.PROVEN


@dataclass(frozen=True)
class Catalogue:
    """All that the sidecars of a storage say; `unreadable` maps their names to the reasons."""

    backups: list[Backup]
    verifications: list[Verification]
    unreadable: dict[str, str]


def backup_storage() -> Storage:
    return storages["dbbackup"]


def backups(database: str | None = None) -> list[Backup]:
    """The complete backups, of this database only when one is named; oldest first."""
    return [b for b in read_catalogue().backups if database in (None, b.database)]


def newest(database: str | None = None) -> Backup | None:
    """The newest backup that holds everything."""
    return next((b for b in reversed(backups(database)) if not b.partial), None)


def find(name: str) -> Backup | None:
    """The complete backup of exactly this name."""
    return next((b for b in backups() if b.name == name), None)


def verifications(database: str | None = None) -> list[Verification]:
    """The attempts to prove backups that still exist; oldest first."""
    found = read_catalogue()
    names = {b.name for b in found.backups if database in (None, b.database)}
    return [v for v in found.verifications if v.name in names]


def newest_proof(database: str) -> Verification | None:
    """The newest successful verification of a whole backup of this database that still exists."""
    found = read_catalogue()
    whole = {b.name for b in found.backups if b.database == database and not b.partial}
    proofs = [v for v in found.verifications if v.proven and v.name in whole]
    return max(proofs, key=lambda proof: proof.verified_at, default=None)


def write_sidecar(backup: Backup) -> None:
    """Say that the backup is complete; the last step of making one."""
    _write(f"{backup.name}{SIDECAR}", asdict(backup))


def write_verification(verification: Verification) -> None:
    """Beside the earlier ones: a file of its own, because storages never overwrite."""
    moment = verification.verified_at.astimezone(UTC)
    name = f"{verification.name}.{moment:%Y%m%dT%H%M%S%f}{VERIFIED}"
    _write(name, asdict(verification))


@contextmanager
def open_stored(name: str, storage: Storage | None = None) -> Iterator[Any]:
    """A stored file, of the backups when no storage is named; a bucket's is read as it arrives."""
    storage = storage or backup_storage()
    opener = getattr(storage, "open_stream", storage.open)
    stream = opener(name)
    try:
        yield stream
    finally:
        stream.close()


def checksum(name: str, storage: Storage | None = None) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a stored file, which is read to its end."""
    digest, size = hashlib.sha256(), 0
    with open_stored(name, storage) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def location_of(storage: Storage) -> str:
    """Where the storage keeps its files: a folder, or a bucket's address."""
    bucket = getattr(storage, "bucket_name", None)
    location = str(getattr(storage, "location", ""))
    return f"s3://{bucket}/{location}".rstrip("/") if bucket else location


def stored_names() -> list[str]:
    """Every file of the storage, in order."""
    storage = backup_storage()
    try:
        return sorted(storage.listdir("")[1])
    except FileNotFoundError:
        return []


def remove_files(backup_name: str) -> None:
    """Delete a backup and all that was written beside it; the sidecar first.

    What is interrupted here has no sidecar any more, and so is no backup.
    """
    storage = backup_storage()
    storage.delete(f"{backup_name}{SIDECAR}")
    beside = [
        name
        for name in stored_names()
        if name.startswith(f"{backup_name}.") and name.endswith(VERIFIED)
    ]
    for name in (*beside, f"{backup_name}.metadata", backup_name):
        storage.delete(name)


def read_catalogue() -> Catalogue:
    """The storage's sidecars, backups by their end and verifications by their time."""
    names = stored_names()
    present = set(names)
    made, proofs, unreadable = [], [], {}
    for name in names:
        try:
            if name.endswith(SIDECAR) and name.removesuffix(SIDECAR) in present:
                made.append(_backup(_read(name)))
            elif name.endswith(VERIFIED):
                proofs.append(_verification(_read(name)))
        except Unreadable as error:
            unreadable[name] = str(error)
    made.sort(key=lambda backup: (backup.finished_at, backup.name))
    proofs.sort(key=lambda proof: (proof.verified_at, proof.name))
    return Catalogue(made, proofs, unreadable)


def as_json(said: Any) -> str:
    return json.dumps(said, default=_plain, indent=1)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no form in JSON.")


def backup_from(said: dict[str, Any]) -> Backup:
    """The backup that a sidecar's or a row's JSON tells of. Raises Unreadable."""
    return _backup(said)


def verification_from(said: dict[str, Any]) -> Verification:
    """The verification that a sidecar's or a row's JSON tells of. Raises Unreadable."""
    return _verification(said)


def _write(name: str, said: dict[str, Any]) -> None:
    storage = backup_storage()
    # Storages never overwrite: they would choose another name.
    storage.delete(name)
    storage.save(name, ContentFile(as_json({"format": FORMAT, **said}).encode()))


def _read(name: str) -> dict[str, Any]:
    with backup_storage().open(name) as stream:
        content = stream.read()
    try:
        said = json.loads(content)
    except ValueError:
        raise Unreadable("it is not JSON; it may have been cut short") from None
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        form = said.get("format") if isinstance(said, dict) else None
        raise Unreadable(f"its format is {form!r}; this version reads {FORMAT}")
    return said


def _backup(said: dict[str, Any]) -> Backup:
    try:
        return Backup(
            **_without_format(said)
            | {
                "started_at": _moment(said["started_at"]),
                "finished_at": _moment(said["finished_at"]),
                "tables": {n: TableContent(**table) for n, table in said["tables"].items()},
                "sequences": {
                    n: SequencePosition(**place) for n, place in said["sequences"].items()
                },
                "heads": {n: Head(**head) for n, head in said.get("heads", {}).items()},
                "fingerprint_method": _method(said),
            }
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"a field is missing or wrong: {error}") from None


def _method(said: dict[str, Any]) -> int | None:
    method = said.get("fingerprint_method", 1 if said["fingerprints"] else None)
    if method is not None and method not in METHODS:
        known = ", ".join(map(str, METHODS))
        raise ValueError(f"fingerprints by method {method!r}; this version knows {known}")
    return method


def _verification(said: dict[str, Any]) -> Verification:
    try:
        return Verification(
            **_without_format(said)
            | {
                "verified_at": _moment(said["verified_at"]),
                "verdict": Proof(said["verdict"]),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"a field is missing or wrong: {error}") from None


def _without_format(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name != "format"}


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment


def unreadable_lines(unreadable: dict[str, str]) -> Iterable[str]:
    """A sentence for each sidecar that says nothing."""
    for name, reason in sorted(unreadable.items()):
        yield f"{name} is no backup's sidecar: {reason}."
