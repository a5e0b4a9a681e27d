"""Extensions that only a superuser may create: the administrator makes them, the owner the rest."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db.backends.utils import CursorWrapper

from apps.backups.catalogue import Backup
from apps.backups.restoring import list_contents, restore_into
from apps.database.facts.extensions import for_superusers_only
from apps.database.facts.roles import role_attributes
from config.database import DatabaseEntry

# How pg_restore lists what an archive holds: number; catalog, object, kind, schema, name, owner.
ENTRY = re.compile(
    r"\d+; \d+ \d+ "
    r"(?:(?P<schema>SCHEMA) - |(?:EXTENSION - |COMMENT - EXTENSION )(?P<extension>\S+))"
)


@dataclass(frozen=True)
class Parts:
    """The lines of an archive's list, by who restores them and when."""

    schemas: list[str]
    extensions: list[str]
    rest: list[str]


def parts_of(lines: Iterable[str], extensions: Sequence[str]) -> Parts:
    """Take the schemas and these extensions out; an extension may live in a schema of its own."""
    parts = Parts([], [], [])
    for line in lines:
        found = ENTRY.match(line)
        if found and found["schema"]:
            parts.schemas.append(line)
        elif found and found["extension"] in extensions:
            parts.extensions.append(line)
        else:
            parts.rest.append(line)
    return parts


def left_to_administrator(cursor: CursorWrapper, backup: Backup, owner: str) -> list[str]:
    """The backup's extensions that the owner may not create."""
    role = role_attributes(cursor, owner)
    if role is not None and role.superuser:
        return []
    return for_superusers_only(cursor, backup.extensions)


def restore_in_parts(
    backup: Backup,
    admin: DatabaseEntry,
    owner: DatabaseEntry,
    extensions: Sequence[str],
    *,
    privileges: bool,
) -> None:
    """Restore as the owner, but these extensions as the administrator; both lead to one database.

    Raises what `restore_into` raises.
    """
    with TemporaryDirectory(prefix="holdfast-restore-") as folder:
        path = Path(folder) / "list"
        list_contents(backup, owner, path)
        parts = parts_of(path.read_text(encoding="utf-8").splitlines(), extensions)
        for entry, lines in (
            (owner, parts.schemas), (admin, parts.extensions), (owner, parts.rest),
        ):  # fmt: skip
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            restore_into(backup, entry, privileges=privileges, only=path)
