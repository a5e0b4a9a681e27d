"""No migration throws data away unnoticed.

A dropped column, a deleted table or a shorter type takes what it holds with it, and the way back
brings the column, not the values.
"""

from collections.abc import Iterator

from apps.controls.control import Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planted_migrations import SUBJECT, migration, without_migration
from apps.schema.pending import applied_migrations, lossy, pending_migrations
from config.commands import manage


@control(
    "DATA-001.2",
    "No pending migration throws data away",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a column dropped",
            plant=migration('migrations.RemoveField("verdict", "evidence")'),
            repair=without_migration,
            near_miss=migration(
                "migrations.SeparateDatabaseAndState(state_operations=["
                'migrations.RemoveField("verdict", "evidence")])'
            ),
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "rows deleted by SQL",
            plant=migration('migrations.RunSQL("DELETE FROM controls_verdict")'),
            repair=without_migration,
            near_miss=migration(
                "migrations.RunSQL(\"COMMENT ON TABLE controls_verdict IS 'never DELETE FROM'\")"
            ),
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "a type made smaller",
            plant=migration(
                'migrations.AlterField("verdict", "title", models.CharField(max_length=20))'
            ),
            repair=without_migration,
            near_miss=migration(
                'migrations.AlterField("verdict", "title", models.CharField(max_length=900))'
            ),
            subject=SUBJECT,
            peer=True,
        ),
    ),
)
def nothing_is_thrown_away(inspection: Inspection) -> Iterator[Finding]:
    pending = pending_migrations(applied_migrations(inspection.cursor))
    inspection.evidence["pending"] = [f"{m.app_label}.{m.name}" for m, _ in pending]
    for one, before in pending:
        for said in lossy(one, before):
            yield Finding(
                Level.ERROR,
                "A pending migration throws data away",
                said.subject,
                said.detail,
                f"{manage('dbbackup')} && {manage('verify_backup --latest')}, then see what it "
                f"costs: {manage('rehearse_migrations')}",
            )
