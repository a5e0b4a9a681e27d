"""No migration throws data away unnoticed, and before one is applied there is a proven backup.

What a migration drops is gone with its transaction, and the way back brings a column, not its
values. `dbbackup && verify_backup --latest` before `migrate`, and `restore_backup --swap` is
the way back. A rehearsal counts what a pending migration throws away; without one its operations
are read, as the guarded `migrate` reads them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from apps.backups.catalogue import read_catalogue
from apps.controls.control import Action, Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.pending_plan import Judgement, Plan, pending_plan
from apps.controls.planted_migrations import REHEARSED, SUBJECT, migration, without_migration
from apps.controls.planting import aged_backup, command, nothing, sequence, write
from apps.schema.destructive import destructions, unclear
from apps.schema.progress import label
from config.commands import manage

FRESH = timedelta(hours=24)
_FILE = "apps/accounts/migrations/9999_specimen.py"


def _pending(operations: str, more: str = "") -> Action:
    """A migration of the peer's copy that nobody has applied."""
    return write(
        _FILE,
        "from django.db import migrations, models\n\n\n"
        "class Migration(migrations.Migration):\n"
        f"    dependencies = [('accounts', '0001_initial')]\n"
        f"    operations = [{operations}]\n{more}",
    )


_BACKED_UP = command("dbbackup", "--quiet")
_PROVEN = sequence(_BACKED_UP, command("verify_backup", "--latest"))
_HARMLESS = _pending("migrations.RunSQL('SELECT 1', 'SELECT 1')")


@control(
    "DATA-001.1",
    "A fresh backup has been restored before pending migrations are applied",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "pending, and no backup",
            plant=_HARMLESS,
            repair=_PROVEN,
            near_miss=nothing,
            subject="accounts.9999_specimen",
            peer=True,
        ),
        Specimen(
            "pending, and the backup was never restored",
            plant=sequence(_HARMLESS, _BACKED_UP),
            repair=command("verify_backup", "--latest"),
            near_miss=sequence(_HARMLESS, _PROVEN),
            subject="accounts.9999_specimen",
            peer=True,
        ),
        Specimen(
            "pending, and the proven backup is old",
            plant=sequence(_HARMLESS, _PROVEN, aged_backup(FRESH + timedelta(hours=1))),
            repair=sequence(
                command("dbbackup", "--quiet", "--output-filename", "newer.psql.bin.zst"),
                command("verify_backup", "--latest"),
            ),
            near_miss=sequence(_HARMLESS, _PROVEN, aged_backup(FRESH - timedelta(hours=1))),
            subject="accounts.9999_specimen",
            peer=True,
        ),
    ),
)
def backup_before_migrations(inspection: Inspection) -> Iterator[Finding]:
    pending = pending_plan(inspection).names
    fresh = _fresh_proof(str(inspection.target.entries["app"]["NAME"]))
    inspection.evidence["proven_backup"] = fresh
    if pending and fresh is None:
        yield Finding(
            Level.ERROR,
            "No way back from the next migration",
            pending[0],
            f"{len(pending)} migrations are pending, and no backup of the last "
            f"{FRESH.total_seconds() / 3600:.0f} hours has been restored.",
            f"{manage('dbbackup')} && {manage('verify_backup --latest')}",
        )


def _fresh_proof(database: str) -> str | None:
    """The name of a whole backup that is young enough and was proven."""
    found = read_catalogue()
    proven = {verification.name for verification in found.verifications if verification.proven}
    oldest = timezone.now() - FRESH
    names = [
        backup.name
        for backup in found.backups
        if backup.database == database
        and not backup.partial
        and backup.name in proven
        and backup.finished_at >= oldest
    ]
    return names[-1] if names else None


_DELETES = (
    'migrations.RunPython(lambda apps, editor: editor.execute("DELETE FROM auth_permission"),'
    " nothing)"
)


@control(
    "DATA-001.2",
    "No pending migration throws data away without saying so",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a column dropped without a word",
            plant=_pending("migrations.RemoveField('user', 'first_name')"),
            repair=_pending(
                "migrations.RemoveField('user', 'first_name')",
                "    loses_data = 'nobody reads first names any more'\n",
            ),
            near_miss=_pending(
                "migrations.AddField('user', 'nickname', models.CharField(null=True, max_length=9))"
            ),
            subject="accounts.9999_specimen",
            peer=True,
        ),
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
        Specimen(
            "rows deleted by Python code, which a rehearsal counts",
            plant=sequence(migration(_DELETES), REHEARSED),
            repair=sequence(
                migration(_DELETES, 'loses_data = "permissions are made again"'), REHEARSED
            ),
            near_miss=sequence(migration("migrations.RunPython(nothing, nothing)"), REHEARSED),
            subject=SUBJECT,
            peer=True,
        ),
        Specimen(
            "values overwritten, and an empty column dropped",
            plant=sequence(
                migration("migrations.RunSQL(\"UPDATE auth_permission SET name = 'x'\", '')"),
                REHEARSED,
            ),
            repair=sequence(
                migration("migrations.RunSQL('UPDATE auth_permission SET name = name', '')"),
                REHEARSED,
            ),
            near_miss=sequence(
                migration('migrations.RemoveField("verdict", "evidence")'), REHEARSED
            ),
            subject=SUBJECT,
            peer=True,
        ),
    ),
)
def nothing_is_thrown_away(inspection: Inspection) -> Iterator[Finding]:
    plan = pending_plan(inspection)
    judgement = Judgement(inspection, plan)
    by_text = _read(inspection, plan)
    failed = False
    for one in plan.migrations:
        if getattr(one, "loses_data", ""):
            continue
        read = partial(by_text.__getitem__, label(one))
        for what in judgement.of(one, _lost, read, unclear):
            failed = True
            yield Finding(
                Level.ERROR,
                "A pending migration throws data away",
                label(one),
                what,
                f"{manage('dbbackup')} && {manage('verify_backup --latest')}, then see what it "
                f"costs: {manage('rehearse_migrations')}; a loss that is meant is said in the "
                "migration's class: loses_data = 'why nothing of worth goes'",
            )
    if not failed:
        judgement.require_sight()


def _read(inspection: Inspection, plan: Plan) -> defaultdict[str, list[str]]:
    """What the operations of the plan would destroy, by migration."""
    found = defaultdict[str, list[str]](list)
    if plan.steps:
        begun = {app for app, _ in plan.applied}
        steps = [(migration, False) for migration in plan.migrations]
        for one in destructions(inspection.connection, steps, plan.steps[0][1].clone(), begun):
            found[one.migration].append(one.what)
    return found


def _lost(said: Mapping[str, Any]) -> Iterator[str]:
    """What was gone after the migration in the rehearsal, or overwritten for good."""
    for table, rows in said["rows_lost"].items():
        yield f"{table}: {rows} rows lost"
    for column, values in said["values_lost"].items():
        yield f"{column}: {values} values lost"
    if "lossy_reverse" in said["hazards"]:
        for table, rows in said["rows_changed"].items():
            yield f"{table}: {rows} rows overwritten, and the way back does not restore them"
