"""What an error says in a line, and whether the migration or the scratch server is at fault."""

import re

import psycopg

from apps.schema.rehearsal.place import LOCK_SECONDS, CannotRehearse

LOCKED = "55P03"
# No room, no memory, a broken file: nothing of that is in a migration's power.
SERVER_FAILED = ("53", "58", "XX")


def one_line(error: BaseException) -> str:
    """The first line of an error, without addresses of Python's memory."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"<(?:function )?(\w+) at 0x[0-9a-f]+>", r"\1", line)


def fault_of(error: Exception) -> str:
    """What the migration did wrong, in a line.

    Raises CannotRehearse where not the migration but the scratch server failed.
    """
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    state = (cause.sqlstate or "") if isinstance(cause, psycopg.Error) else ""
    said = one_line(error)
    if state.startswith(SERVER_FAILED):
        raise CannotRehearse(
            f"The scratch server failed, not the migration: {said}. Give it what it lacks, or set "
            "DATABASE_ADMIN_URL to a server that has it."
        ) from None
    if state == LOCKED:
        return f"{said}: for {LOCK_SECONDS} s another session of its own held what it waited for"
    return said
