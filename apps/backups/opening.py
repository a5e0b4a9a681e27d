"""Reads a stored backup back as the plain dump that pg_restore understands, as a stream."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from apps.backups.catalogue import Backup, open_stored
from apps.backups.encryption import HEADER, KeyProblem, decrypted
from apps.backups.streams import Peeked, decompressed

GPG = "gpg"


@contextmanager
def open_backup(backup: Backup) -> Iterator[Any]:
    """The plain dump; whoever reads to the end gets all of it, or an error.

    Raises KeyProblem for a missing or wrong key, OSError for a storage that fails.
    """
    require_no_gpg(backup)
    with open_stored(backup.name) as stored, plain_dump(stored, backup.name) as plain:
        yield plain


def require_no_gpg(backup: Backup) -> None:
    """Raise KeyProblem for a backup that only gpg and its agent read."""
    if backup.encryption == GPG:
        raise KeyProblem(
            f"{backup.name} was encrypted by dbbackup's own -e, which only gpg reads; by hand: "
            "gpg --decrypt FILE | pg_restore … Backups made with BACKUP_AGE_RECIPIENTS instead "
            "are verified and restored here."
        )


@contextmanager
def plain_dump(stored: Any, name: str) -> Iterator[Any]:
    """The dump inside a stream that may be encrypted, compressed, both or neither."""
    with ExitStack() as stack:
        stream: Any = Peeked(stored, len(HEADER))
        if stream.head == HEADER:
            stream = decrypted(stream, name)
            stack.callback(stream.close)
        yield decompressed(stream)
