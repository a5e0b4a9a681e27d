"""What is pending was rehearsed on a copy of the real rows, not long ago.

A migration that is quick on ten rows locks ten million for an hour. `rehearse_migrations` runs the
pending plan on a copy and remembers how it went, and of which files: one that was edited since was
not rehearsed.
"""

from collections.abc import Iterator

from apps.controls.control import Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.pending_plan import REHEARSE, is_fresh, last_rehearsal, pending_plan
from apps.controls.planted_migrations import REHEARSED, SUBJECT, migration
from apps.controls.planting import nothing, sequence, sql

_NULLABLE = migration('migrations.AddField("verdict", "note", models.TextField(null=True))')


@control(
    "OPS-001.1",
    "The pending plan was rehearsed on a copy younger than a day",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "never rehearsed",
            plant=_NULLABLE,
            repair=REHEARSED,
            near_miss=sequence(_NULLABLE, REHEARSED),
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "rehearsed on a copy too old",
            plant=sequence(
                _NULLABLE,
                REHEARSED,
                sql("UPDATE schema_rehearsal SET copied_at = now() - interval '25 hours'"),
            ),
            repair=REHEARSED,
            near_miss=nothing,
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "rehearsed, and unsafe",
            plant=sequence(
                migration('migrations.RenameField("verdict", "title", "heading")'), REHEARSED
            ),
            repair=sequence(_NULLABLE, REHEARSED),
            near_miss=sequence(
                _NULLABLE,
                REHEARSED,
                sql("UPDATE schema_rehearsal SET copied_at = now() - interval '23 hours'"),
            ),
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "edited after its rehearsal",
            plant=sequence(
                _NULLABLE,
                REHEARSED,
                migration('migrations.AddField("verdict", "note", models.TextField(default=""))'),
            ),
            repair=_NULLABLE,
            near_miss=sequence(_NULLABLE, REHEARSED),
            subject=SUBJECT,
            peer=True,
        ),
    ),
)
def plan_was_rehearsed(inspection: Inspection) -> Iterator[Finding]:
    plan = pending_plan(inspection)
    if not plan.steps:
        return
    last = last_rehearsal(inspection, plan)
    inspection.evidence.update(
        copied_at=last.copied_at.isoformat() if last else None,
        safe=last.safe if last else None,
    )
    if last is None:
        detail = "What is pending was never rehearsed as it is now."
    elif not is_fresh(last):
        detail = f"The last rehearsal's copy is of {last.copied_at:%Y-%m-%d %H:%M} UTC."
    elif not last.safe:
        detail = "The last rehearsal found it unsafe."
    else:
        return
    yield Finding(Level.ERROR, "A plan that was not rehearsed", plan.names[0], detail, REHEARSE)
