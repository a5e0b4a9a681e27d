"""Every migration can be taken back, or says why it cannot.

A rollback is needed when nobody has time to write one. Django notices only then that an operation
has no way back. A migration that truly has none declares it: `irreversible = "the reason"`. Whether
a way back brings everything back shows only when it is gone: a rehearsal goes up, down and up
again, and compares.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.migrations import Migration

from apps.controls.control import (
    Action,
    CannotSee,
    Finding,
    Inapplicable,
    Level,
    NotApplicable,
    Scope,
    Specimen,
    control,
)
from apps.controls.inspection import Inspection
from apps.controls.pending_plan import (
    REHEARSE,
    last_rehearsal,
    pending_plan,
    readable,
    rehearsals_exist,
)
from apps.controls.planted_migrations import REHEARSED, SUBJECT, applied, migration
from apps.controls.planting import command, nothing, sequence
from apps.schema.pending import applied_migrations, one_way
from apps.schema.progress import label
from apps.schema.records import Key, RecordedLoader
from apps.schema.rehearsed import Evidence, newest_among
from config.commands import manage

_ONE_WAY = "migrations.RunPython(nothing)"
_BOTH_WAYS = "migrations.RunPython(nothing, nothing)"


@control(
    "TECH-004.1",
    "Every applied migration is reversible, or declared irreversible",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "Python code without a way back",
            plant=applied(_ONE_WAY),
            repair=applied(_ONE_WAY, 'irreversible = "What was read is not kept."'),
            near_miss=applied(_BOTH_WAYS),
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "SQL without a way back",
            plant=applied('migrations.RunSQL("SELECT 1")'),
            repair=applied('migrations.RunSQL("SELECT 1", "SELECT 2")'),
            near_miss=migration('migrations.RunSQL("SELECT 1")'),
            subject=SUBJECT,
            peer=True,
        ),
    ),
)
def migrations_go_back(inspection: Inspection) -> Iterator[Finding]:
    done = applied_migrations(inspection.cursor)
    inspection.evidence["applied"] = len(done)
    for said in readable(lambda: list(one_way(done))):
        yield Finding(
            Level.ERROR,
            "A migration without a way back",
            said.migration,
            said.detail,
            "Give it reverse_code or reverse_sql, or declare in its class Migration: "
            'irreversible = "the reason"',
        )


_COLUMN = 'migrations.RunSQL("ALTER TABLE controls_verdict ADD note text", "{}")'
_BACK = _COLUMN.format("ALTER TABLE controls_verdict DROP note")
_OVERWRITES = "migrations.RunSQL(\"UPDATE auth_permission SET name = 'x'\", '')"
_FAILS = 'migrations.RunSQL("SELECT 1 / (id - id) FROM auth_permission", "")'
# What a rehearsal finds wrong with the way back.
_HAZARDS = ("fails", "irreversible", "reverse_differs", "lossy_reverse", "crash_leaves_half")


def _rehearsed(operations: str, attributes: str = "") -> Action:
    return sequence(migration(operations, attributes), REHEARSED)


@control(
    "TECH-004.2",
    "The last rehearsal passed: up, down and up again, and everything was back",
    scope=Scope.APPLICATION,
    not_applicable={
        "nothing_pending": "Nothing is pending, so there is nothing to rehearse; TECH-004.1 judges "
        "what is applied."
    },
    specimens=(
        Specimen(
            "a way back that leaves a column",
            plant=_rehearsed(_COLUMN.format("SELECT 1")),
            repair=_rehearsed(_BACK),
            near_miss=sequence(_rehearsed(_BACK), command("migrate", "--verbosity", "0")),
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "a way back that restores no values",
            plant=_rehearsed(_OVERWRITES),
            repair=_rehearsed(_OVERWRITES, "loses_data = 'nobody reads the names'"),
            near_miss=_rehearsed("migrations.RunPython(nothing, nothing)"),
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "no way back",
            plant=_rehearsed(_ONE_WAY),
            repair=_rehearsed(_ONE_WAY, 'irreversible = "What was read is not kept."'),
            near_miss=_rehearsed(_BOTH_WAYS),
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "it fails on the rows that are there",
            plant=_rehearsed(_FAILS),
            repair=_rehearsed(_FAILS.replace("(id - id)", "id")),
            near_miss=_rehearsed(_FAILS.replace("permission", "permission WHERE false")),
            subject=SUBJECT,
            peer=True,
        ),
    ),
    inapplicable=(Inapplicable("nothing pending", "nothing_pending", plant=nothing, peer=True),),
)
def last_rehearsal_passed(inspection: Inspection) -> Iterator[Finding]:
    plan = pending_plan(inspection)
    if not rehearsals_exist(inspection):
        raise CannotSee("The rehearsals have no table yet. Run:", manage("migrate"))
    if plan.steps:
        migrations, last = plan.migrations, last_rehearsal(inspection, plan)
        if last is None:
            raise CannotSee("What is pending was never rehearsed as it is now. Run:", REHEARSE)
    else:
        migrations = _applied(plan.applied)
        last = newest_among(inspection.cursor, migrations)
        if last is None:
            raise NotApplicable("nothing_pending")
    inspection.evidence["rehearsal"] = str(last)
    for one in migrations:
        for what in _wrong(one, last):
            yield Finding(
                Level.ERROR,
                "The way back of a migration did not pass its rehearsal",
                label(one),
                what,
                f"See what was found, and the safe way: {REHEARSE}. Or declare in its class "
                'Migration what is meant: irreversible = "the reason" or loses_data = "the reason"',
            )


def _applied(applied: set[Key]) -> list[Migration]:
    """The applied migrations that have a file."""
    files = readable(lambda: RecordedLoader(applied)).disk_migrations
    return [files[key] for key in sorted(applied & files.keys())]


def _wrong(migration: Migration, rehearsal: Evidence) -> Iterator[str]:
    """What the rehearsal found wrong with the migration's way back."""
    name = label(migration)
    if name in rehearsal.not_reached:
        yield f"It was not reached; an earlier one failed ({rehearsal})."
    said: Mapping[str, Any] = rehearsal.migrations.get(name, {"hazards": (), "details": {}})
    declared = bool(getattr(migration, "loses_data", "") or getattr(migration, "irreversible", ""))
    for hazard in _HAZARDS:
        if hazard in said["hazards"] and not (declared and hazard == "lossy_reverse"):
            yield f"{hazard}: {said['details'][hazard]} ({rehearsal})"
