"""Yesterday's code works on tomorrow's schema.

While a deploy rolls, old and new code share one database, and a rollback of the code alone leaves
the old code on the new schema. In a rehearsal the models of before try it, and the database's own
errors are the evidence. Without one, what breaks without fail is read from the operations. And a
constraint that was added NOT VALID, which is the gentle way, is to be validated afterwards.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from apps.controls.control import Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.pending_plan import REHEARSE, Judgement, pending_plan
from apps.controls.planted_migrations import REHEARSED, SUBJECT, migration, without_migration
from apps.controls.planting import sequence, sql
from apps.database.facts.unvalidated import unvalidated_constraints
from apps.schema.breaking import breaking, unclear
from apps.schema.progress import label

_HARMLESS = 'migrations.AddField("verdict", "note", models.TextField(null=True))'
_BY_SQL = (
    'migrations.RunSQL("ALTER TABLE controls_verdict ALTER reason {0} NOT NULL",'
    ' "ALTER TABLE controls_verdict ALTER reason {1} NOT NULL")'
)


@control(
    "DATA-003.1",
    "No pending migration breaks the code that runs now",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a field renamed",
            plant=migration('migrations.RenameField("verdict", "title", "heading")'),
            repair=without_migration,
            near_miss=migration(
                "migrations.SeparateDatabaseAndState(state_operations=["
                'migrations.RenameField("verdict", "title", "heading")])'
            ),
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "a column that old code does not fill",
            plant=migration('migrations.AddField("verdict", "note", models.TextField(default=""))'),
            repair=migration(
                'migrations.AddField("verdict", "note", models.TextField(db_default=""))'
            ),
            near_miss=migration(_HARMLESS),
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "a NULL refused",
            plant=migration('migrations.AlterField("verdict", "reason", models.TextField())'),
            repair=without_migration,
            near_miss=migration(
                'migrations.AlterField("verdict", "reason", models.TextField(null=True))'
            ),
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "SQL that only old code's attempt sees through",
            plant=sequence(migration(_BY_SQL.format("SET", "DROP")), REHEARSED),
            repair=sequence(migration(_BY_SQL.format("DROP", "DROP")), REHEARSED),
            near_miss=sequence(
                migration(
                    'migrations.RunSQL("ALTER TABLE controls_verdict ADD note text",'
                    ' "ALTER TABLE controls_verdict DROP note")'
                ),
                REHEARSED,
            ),
            subject=SUBJECT,
            peer=True,
        ),
    ),
)
def old_code_survives(inspection: Inspection) -> Iterator[Finding]:
    plan = pending_plan(inspection)
    judgement = Judgement(inspection, plan)
    failed = False
    for one, before in plan.steps:
        read = partial(breaking, inspection.connection, one, before)
        for what in judgement.of(one, _errors, read, unclear):
            failed = True
            yield Finding(
                Level.ERROR,
                "A pending migration breaks old code",
                label(one),
                what,
                f"Expand first, contract a release later; the safe way: {REHEARSE}",
            )
    if not failed:
        judgement.require_sight()


def _errors(said: Mapping[str, Any]) -> Iterator[str]:
    """What the models of before were refused in the rehearsal."""
    for one in said["old_code"]:
        yield f"{one['model']}, {one['operation']}: {one['error']}"


@control(
    "DATA-003.2",
    "No constraint was left NOT VALID",
    specimens=(
        Specimen(
            "a check that rows of before may break",
            plant=sql(
                "ALTER TABLE controls_verdict ADD CONSTRAINT quick"
                " CHECK (duration_ms < 9) NOT VALID"
            ),
            repair=sql("ALTER TABLE controls_verdict VALIDATE CONSTRAINT quick"),
            near_miss=sql(
                "ALTER TABLE controls_verdict ADD CONSTRAINT quick CHECK (duration_ms < 9)"
            ),
            subject="public.controls_verdict.quick",
        ),
        Specimen(
            "a foreign key that rows of before may break",
            plant=sql(
                "CREATE TABLE public.child (parent uuid)",
                "ALTER TABLE public.child ADD CONSTRAINT child_parent FOREIGN KEY (parent)"
                " REFERENCES controls_assessment NOT VALID",
            ),
            repair=sql("ALTER TABLE public.child VALIDATE CONSTRAINT child_parent"),
            near_miss=sql("CREATE TABLE public.child (parent uuid REFERENCES controls_assessment)"),
            subject="public.child.child_parent",
        ),
    ),
)
def constraints_are_validated(inspection: Inspection) -> Iterator[Finding]:
    found = unvalidated_constraints(inspection.cursor)
    inspection.evidence["not_valid"] = [f"{one.table}.{one.name}" for one in found]
    for one in found:
        yield Finding(
            Level.ERROR,
            "A constraint holds for new rows only",
            f"{one.table}.{one.name}",
            f"{one.definition}: rows that were there before may break it.",
            f"ALTER TABLE {one.table} VALIDATE CONSTRAINT {one.name};",
        )
