"""Runs pg_restore: a stored backup into an empty database."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from apps.backups.catalogue import Backup, checksum
from apps.backups.comparing import NotProven
from apps.backups.databases import CannotTell
from apps.backups.opening import open_backup
from apps.backups.tools import (
    ToolError,
    Tools,
    connection_arguments,
    fitting,
    installed_tools,
    needs_tls,
    run,
)

# What a storage raises, whatever it is: django-storages' S3 raises its library's own.
STORAGE_FAILURES = (OSError, BotoCoreError, ClientError)
# How pg_restore says that there should be more.
ENDS_EARLY = ("end of file", "too short")
# How the server says that a role may not do what the dump asks for.
NOT_ALLOWED = ("permission denied", "superuser", "must be owner", "must be able to SET")


def check_file(backup: Backup) -> None:
    """A dump has no integrity of its own: damage must be found before a restore believes it."""
    size, sha256 = checksum(backup.name)
    if size != backup.bytes:
        raise NotProven(f"The file has {size} bytes; the sidecar says {backup.bytes}.")
    if sha256 != backup.sha256:
        raise NotProven("The file's checksum is not the sidecar's; its content has changed.")


def restore_into(
    backup: Backup, entry: dict[str, Any], *, privileges: bool = False, only: Path | None = None
) -> None:
    """Restore into the database of the entry, as its user, who will own everything.

    All of the backup, or what the file `only` lists. Raises NotProven, CannotTell, KeyProblem or
    ToolError.
    """
    command = ["--no-owner", "--exit-on-error", *connection_arguments(entry)]
    command += [] if privileges else ["--no-privileges"]
    command += [f"--use-list={only}"] if only else []
    _pg_restore(backup, entry, command)


def list_contents(backup: Backup, entry: dict[str, Any], path: Path) -> None:
    """Write what the backup holds into a file, for `only`. Raises as `restore_into` does."""
    _pg_restore(backup, entry, ["--list", f"--file={path}"])


def _pg_restore(backup: Backup, entry: dict[str, Any], arguments: list[str]) -> None:
    tools = _tools(backup, entry)
    command = [str(tools.folder / "pg_restore"), *arguments]
    try:
        with open_backup(backup) as plain:
            run(command, entry, feed=plain, timeout_seconds=settings.BACKUP_RESTORE_TIMEOUT)
    except ToolError as error:
        if "unsupported version" in str(error):
            raise NotProven(
                f"The dump was written by a newer pg_dump than {backup.tool_version}, which the "
                f"sidecar names, and pg_restore {tools.major} cannot read it."
            ) from None
        if any(words in str(error) for words in ENDS_EARLY):
            raise NotProven(f"The dump ends too early, and always did: {error}") from None
        if any(words in str(error) for words in NOT_ALLOWED):
            raise CannotTell(
                f"The backup holds what {entry['USER']} may not make: {error}. Expected: that "
                "right, or a superuser in DATABASE_ADMIN_URL."
            ) from None
        raise


def _tools(backup: Backup, entry: dict[str, Any]) -> Tools:
    """pg_restore reads no archive of a newer pg_dump."""
    try:
        return fitting(
            installed_tools(),
            max(backup.server_major, backup.tool_version),
            needs_tls=needs_tls(entry),
        )
    except ToolError as error:
        raise CannotTell(str(error)) from None


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Inside, SIGTERM ends the work as Ctrl-C does, so that scratch databases are dropped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, usual)
