"""Yesterday's code works on tomorrow's schema.

While a deploy rolls, old and new code share one database, and a rollback of the code alone leaves
the old code on the new schema. The rehearsal proves it with the database's own errors; this control
reads the pending plan for what breaks without fail.
"""

from collections.abc import Iterator

from apps.controls.control import Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planted_migrations import SUBJECT, migration, without_migration
from apps.schema.pending import applied_migrations, breaking, pending_migrations
from config.commands import manage

_HARMLESS = 'migrations.AddField("verdict", "note", models.TextField(null=True))'


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
    ),
)
def old_code_survives(inspection: Inspection) -> Iterator[Finding]:
    pending = pending_migrations(applied_migrations(inspection.cursor))
    inspection.evidence["pending"] = [f"{m.app_label}.{m.name}" for m, _ in pending]
    for one, before in pending:
        for said in breaking(one, before):
            yield Finding(
                Level.ERROR,
                "A pending migration breaks old code",
                said.subject,
                said.detail,
                f"Expand first, contract a release later; the safe way: "
                f"{manage('rehearse_migrations')}",
            )
