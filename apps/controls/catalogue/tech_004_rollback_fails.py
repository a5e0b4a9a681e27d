"""Every migration can be taken back, or says why it cannot.

A rollback is needed when nobody has time to write one. Django notices only then that an operation
has no way back. A migration that truly has none declares it: `irreversible = "the reason"`.
"""

from collections.abc import Iterator

from apps.controls.control import Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planted_migrations import SUBJECT, applied, migration
from apps.schema.pending import applied_migrations, one_way

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
    for said in one_way(done):
        yield Finding(
            Level.ERROR,
            "A migration without a way back",
            said.subject,
            said.detail,
            "Give it reverse_code or reverse_sql, or declare in its class Migration: "
            'irreversible = "the reason"',
        )
