"""A backup, proven, before the schema of a production database changes."""

from collections.abc import Callable

from django.core.management import CommandError, call_command
from django.db import DatabaseError

from apps.backups.catalogue import newest
from apps.backups.verify import verify


class BackupFailed(Exception):
    """There is no proven backup of this moment; the message says why."""


def back_up(database: str, tell: Callable[[str], None]) -> str:
    """Make a backup and prove it by a restore; its name."""
    tell("Backing up first.")
    try:
        before = newest(database)
        call_command("dbbackup", "--quiet", "--noinput")
        made = newest(database)
        if made is None or made == before:
            raise BackupFailed("the backup was made and is not listed. " + _ANYWAY)
        tell(f"Proving the backup {made.name} by restoring it.")
        proof = verify(made)
    except (CommandError, DatabaseError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BackupFailed(f"the backup failed: {reason} {_ANYWAY}") from None
    if not proof.proven:
        raise BackupFailed(f"the backup {made.name} is not proven: {proof.reason} {_ANYWAY}")
    return made.name


_ANYWAY = "Mend that, or migrate without one and say why: --no-backup REASON"
