"""What is pending was rehearsed on a copy of the real rows, not long ago.

A migration that is quick on ten rows locks ten million for an hour. `rehearse_migrations` runs the
pending plan on a copy and remembers how it went.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils import timezone

from apps.controls.control import Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planted_migrations import SUBJECT, migration
from apps.controls.planting import command, nothing, sequence, sql
from apps.schema.pending import applied_migrations, pending_migrations
from config.commands import manage

LONGEST_AGE = timedelta(days=1)
_NULLABLE = migration('migrations.AddField("verdict", "note", models.TextField(null=True))')
_REHEARSED = command("rehearse_migrations", "--from-live")


@control(
    "OPS-001.1",
    "The pending plan was rehearsed on a copy younger than a day",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "never rehearsed",
            plant=_NULLABLE,
            repair=_REHEARSED,
            near_miss=sequence(_NULLABLE, _REHEARSED),
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "rehearsed on a copy too old",
            plant=sequence(
                _NULLABLE,
                _REHEARSED,
                sql("UPDATE schema_rehearsal SET copied_at = now() - interval '25 hours'"),
            ),
            repair=_REHEARSED,
            near_miss=nothing,
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "rehearsed, and unsafe",
            plant=sequence(
                migration('migrations.RenameField("verdict", "title", "heading")'), _REHEARSED
            ),
            repair=sequence(_NULLABLE, _REHEARSED),
            near_miss=sequence(
                _NULLABLE,
                _REHEARSED,
                sql("UPDATE schema_rehearsal SET copied_at = now() - interval '23 hours'"),
            ),
            subject=SUBJECT,
            peer=True,
        ),
    ),
)
def plan_was_rehearsed(inspection: Inspection) -> Iterator[Finding]:
    pending = pending_migrations(applied_migrations(inspection.cursor))
    plan = [f"{one.app_label}.{one.name}" for one, _ in pending]
    last = _last_rehearsal(inspection, plan) if plan else None
    inspection.evidence.update(
        pending=plan,
        copied_at=last[0].isoformat() if last else None,
        safe=last[1] if last else None,
    )
    if not plan:
        return
    if last is None:
        detail = "What is pending was never rehearsed."
    elif timezone.now() - last[0] > LONGEST_AGE:
        detail = f"The last rehearsal's copy is of {last[0]:%Y-%m-%d %H:%M} UTC."
    elif not last[1]:
        detail = "The last rehearsal found it unsafe."
    else:
        return
    remedy = manage("rehearse_migrations")
    yield Finding(Level.ERROR, "A plan that was not rehearsed", plan[0], detail, remedy)


def _last_rehearsal(inspection: Inspection, plan: list[str]) -> tuple[datetime, bool] | None:
    """The newest rehearsal, on rows, of at least this plan: the moment of its copy, and if safe."""
    inspection.cursor.execute(
        """
        SELECT copied_at, safe FROM public.schema_rehearsal
        WHERE source <> 'empty' AND plan @> %s::jsonb ORDER BY started_at DESC LIMIT 1
        """,
        [json.dumps(plan)],
    )
    row = inspection.cursor.fetchone()
    return (row[0], row[1]) if row else None
