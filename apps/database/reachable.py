"""Whether the database can be reached at all, for `manage.py check --database default`."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import DatabaseError, connections

from apps.database.redaction import redact


def check_reachable(databases: Sequence[str] | None = None, **options: Any) -> list[CheckMessage]:
    """An error for each database that no connection leads to, with the reason in one line."""
    return [
        Error(f"The database {alias!r} cannot be reached: {reason}", id="database.E002")
        for alias in databases or ()
        if (reason := _refusal(alias)) is not None
    ]


def _refusal(alias: str) -> str | None:
    try:
        connections[alias].ensure_connection()
    except DatabaseError as error:
        return redact((str(error).strip().splitlines() or [type(error).__name__])[0])
    return None
