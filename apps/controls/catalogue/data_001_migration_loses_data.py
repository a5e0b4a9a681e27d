"""Before a migration is applied there is a fresh backup that has been restored.

What a migration drops is gone with its transaction. `dbbackup && verify_backup --latest` before
`migrate`, and `restore_backup --swap` is the way back.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import migrations
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from apps.backups.catalogue import read_catalogue
from apps.backups.contents import applied_migrations
from apps.controls.control import Action, Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import aged_backup, command, nothing, sequence, write
from config.commands import manage

FRESH = timedelta(hours=24)
# What SQL of a migration's own takes away.
LOSSY_SQL = re.compile(r"\b(DELETE\s+FROM|TRUNCATE|DROP\s+(TABLE|COLUMN|SCHEMA))\b", re.IGNORECASE)
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


def pending_migrations(inspection: Inspection) -> list[Any]:
    """The migrations of the code that the database has not applied, in the order of their names."""
    loader = MigrationLoader(None)
    applied = applied_migrations(inspection.cursor)
    return [
        migration
        for (application, name), migration in sorted(loader.disk_migrations.items())
        if name not in applied.get(application, [])
        and not set(migration.replaces) & {(application, n) for n in applied.get(application, [])}
    ]


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
    pending = [f"{m.app_label}.{m.name}" for m in pending_migrations(inspection)]
    fresh = _fresh_proof(str(inspection.target.entries["app"]["NAME"]))
    inspection.evidence.update(pending=pending, proven_backup=fresh)
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


@control(
    "DATA-001.2",
    "No pending migration loses data without saying so",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a column goes",
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
            "rows go",
            plant=_pending("migrations.RunSQL('DELETE FROM accounts_user')"),
            repair=_HARMLESS,
            near_miss=_pending("migrations.RunSQL('COMMENT ON TABLE accounts_user IS NULL')"),
            subject="accounts.9999_specimen",
            peer=True,
        ),
    ),
)
def losses_are_said(inspection: Inspection) -> Iterator[Finding]:
    pending = pending_migrations(inspection)
    inspection.evidence.update(pending=[f"{m.app_label}.{m.name}" for m in pending])
    for migration in pending:
        if getattr(migration, "loses_data", ""):
            continue
        for loss in filter(None, map(_loss, migration.operations)):
            yield Finding(
                Level.ERROR,
                "A pending migration loses data",
                f"{migration.app_label}.{migration.name}",
                loss,
                "In the migration's class: loses_data = 'why nothing of worth goes'",
            )


def _loss(operation: Any) -> str | None:
    """What an operation takes away, as far as its kind tells; None for nothing."""
    if isinstance(operation, migrations.RemoveField | migrations.DeleteModel):
        return f"{operation.describe()}."
    if isinstance(operation, migrations.RunSQL):
        found = LOSSY_SQL.search(str(operation.sql))
        return f"Its SQL says {found[0].upper()}." if found else None
    return None
