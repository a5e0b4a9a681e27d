"""What recorded rehearsals say of migrations, for as long as their files stay the same."""

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db.backends.utils import CursorWrapper
from django.db.migrations.migration import Migration

from apps.schema.progress import label

TABLE = "schema_rehearsal"


@dataclass(frozen=True)
class Evidence:
    """One recorded rehearsal on rows; `migrations` holds its report of each, by name."""

    started_at: datetime
    backup: str
    copied_at: datetime
    safe: bool
    migrations: Mapping[str, Mapping[str, Any]]
    not_reached: tuple[str, ...]

    def of(self, name: str) -> Mapping[str, Any] | None:
        """What was seen of a migration; None when it was not reached or failed."""
        said = self.migrations.get(name)
        return None if said is None or said["error"] else said

    def __str__(self) -> str:
        of = f"backup {self.backup}" if self.backup else "a copy of the database"
        return f"rehearsed on {of} of {self.copied_at:%Y-%m-%d %H:%M} UTC"


def fingerprints(migrations: Iterable[Migration]) -> dict[str, str]:
    """The SHA-256 of each migration's file, by the migration's name."""
    return {label(migration): _fingerprint(migration) for migration in migrations}


def _fingerprint(migration: Migration) -> str:
    return hashlib.sha256(Path(inspect.getfile(type(migration))).read_bytes()).hexdigest()


def may_read(cursor: CursorWrapper) -> bool | None:
    """Whether this role may read the rehearsals; None when they have no table yet."""
    cursor.execute(
        "SELECT pg_catalog.has_table_privilege(pg_catalog.to_regclass(%s), 'SELECT')",
        [f"public.{TABLE}"],
    )
    answer: bool | None = cursor.fetchone()[0]
    return answer


def newest_of_all(cursor: CursorWrapper, migrations: Iterable[Migration]) -> Evidence | None:
    """The newest rehearsal in which all of these were to be run, each as its file is now."""
    return _newest(
        cursor,
        """
        SELECT started_at, backup, copied_at, safe, report FROM public.schema_rehearsal
        WHERE source <> 'empty' AND report -> 'files' @> %s::jsonb
        ORDER BY started_at DESC LIMIT 1
        """,
        migrations,
    )


def newest_among(cursor: CursorWrapper, migrations: Iterable[Migration]) -> Evidence | None:
    """The newest rehearsal in which some of these were to be run and no other, likewise."""
    return _newest(
        cursor,
        """
        SELECT started_at, backup, copied_at, safe, report FROM public.schema_rehearsal
        WHERE source <> 'empty' AND report -> 'files' <@ %s::jsonb AND report -> 'files' <> '{}'
        ORDER BY started_at DESC LIMIT 1
        """,
        migrations,
    )


def _newest(
    cursor: CursorWrapper, question: str, migrations: Iterable[Migration]
) -> Evidence | None:
    # sql-reviewed: the two questions above.
    cursor.execute(question, [json.dumps(fingerprints(migrations))])
    row = cursor.fetchone()
    if row is None:
        return None
    report = json.loads(row[4]) if isinstance(row[4], str) else row[4]
    return Evidence(
        started_at=row[0],
        backup=row[1],
        copied_at=row[2],
        safe=row[3],
        migrations={f"{said['app']}.{said['name']}": said for said in report["migrations"]},
        not_reached=tuple(report["not_reached"]),
    )
