"""Migrations can be run, and what was run is written down.

`migrate` works whatever interface serves the pages: as the owner, on a direct connection, one
process at a time. These controls read the files as `migrate` would, and the record that every run
leaves.
"""

from collections.abc import Iterator
from datetime import datetime

from apps.controls.control import CannotSee, Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import sql
from apps.controls.scratch import Scratch
from apps.schema.live import read_live
from apps.schema.models import MigrationOutcome
from apps.schema.records import is_applied, read_files, recorded_migrations
from config.commands import manage

_BESIDE = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("{app}", "{after}")]
"""


class _Writes:
    """Puts a migration file into the peer's copy of the project, behind the last or `after`."""

    def __init__(self, app: str, name: str, after: str = "") -> None:
        self.app, self.after = app, after
        self.path = f"apps/{app}/migrations/{name}.py"

    def __call__(self, scratch: Scratch) -> None:
        path = scratch.project / self.path
        last = max(other.stem for other in path.parent.glob("00[0-8]*.py"))
        text = _BESIDE.format(app=self.app, after=self.after or last)
        path.write_text(text, encoding="utf-8")

    def removed(self, scratch: Scratch) -> None:
        (scratch.project / self.path).unlink()


_CONFLICT = _Writes("controls", "0099_beside")
_CONFLICTS_WITH = _Writes("controls", "0098_another")
_LOST = _Writes("controls", "0099_lost", "0098_missing")


def _conflict(scratch: Scratch) -> None:
    _CONFLICTS_WITH(scratch)
    _CONFLICT(scratch)


@control(
    "TECH-002.1",
    "The migration files make one readable plan",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "two newest migrations",
            plant=_conflict,
            repair=_CONFLICT.removed,
            near_miss=_Writes("controls", "0099_next"),
            subject="controls",
            peer=True,
        ),
        Specimen(
            "a file that another one depends on is gone",
            plant=_LOST,
            repair=_LOST.removed,
            near_miss=_Writes("schema", "0099_next"),
            subject="migrations",
            peer=True,
        ),
    ),
)
def files_make_a_plan(inspection: Inspection) -> Iterator[Finding]:
    files = read_files()
    inspection.evidence["files"] = len(files.migrations)
    if files.broken is not None:
        yield Finding(
            Level.ERROR,
            "The plan cannot be read",
            "migrations",
            files.broken,
            "Bring the missing file back from version control.",
        )
        return
    for app, names in sorted(files.loader.detect_conflicts().items()):
        yield Finding(
            Level.ERROR,
            "Two newest migrations",
            app,
            f"{', '.join(sorted(names))} all claim to be the newest of {app}.",
            manage("makemigrations --merge"),
        )
    live = read_live(inspection.cursor, inspection.app_role)
    recorded = recorded_migrations(inspection.cursor, live) or set()
    pending = [key for key in files.loader.graph.nodes if not is_applied(files, key, recorded)]
    inspection.evidence["pending"] = sorted(".".join(key) for key in pending)


_RUN = (
    "INSERT INTO schema_migrationrun (id, started_at, role, plan, backwards, backup,"
    " no_backup_reason, destructive) VALUES ('{id}', now(), 'scratch_owner', '[\"shop.0002\"]',"
    " false, '', '', '[]')"
)
_OUTCOME = (
    "INSERT INTO schema_migrationoutcome (ended_at, result, durations, error, state, run_id)"
    " VALUES (now(), '{result}', '{{}}', '', '', '{id}')"
)
_ID = "01900000-0000-7000-8000-00000000000{}"
_LATER = "UPDATE schema_migrationrun SET started_at = now() + interval '1 hour' WHERE id = '{}'"


@control(
    "TECH-002.2",
    "Every run of migrate is written down, and the newest one ended well",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "the newest run failed",
            plant=sql(
                _RUN.format(id=_ID.format(1)), _OUTCOME.format(id=_ID.format(1), result="failed")
            ),
            repair=sql(
                _RUN.format(id=_ID.format(2)),
                _LATER.format(_ID.format(2)),
                _OUTCOME.format(id=_ID.format(2), result="done"),
            ),
            near_miss=sql(
                _RUN.format(id=_ID.format(1)), _OUTCOME.format(id=_ID.format(1), result="done")
            ),
            subject="migrate",
        ),
        Specimen(
            "nothing is written down",
            plant=sql("DELETE FROM schema_migrationoutcome", "DELETE FROM schema_migrationrun"),
            repair=sql(
                _RUN.format(id=_ID.format(1)), _OUTCOME.format(id=_ID.format(1), result="done")
            ),
            near_miss=sql("COMMENT ON TABLE schema_migrationrun IS 'a remark'"),
            subject="migrate",
        ),
    ),
)
def runs_are_written_down(inspection: Inspection) -> Iterator[Finding]:
    newest = _newest_run(inspection)
    if newest is None:
        yield Finding(
            Level.ERROR,
            "No run of migrate is written down",
            "migrate",
            "The schema was made by something else than this project's migrate.",
            f"Run every migration with: {manage('migrate')}",
        )
        return
    started, result, error = newest
    inspection.evidence.update(started_at=started.isoformat(), result=result)
    if result in (None, MigrationOutcome.Result.DONE):
        # One that is under way has no outcome yet; the next migrate tells of a killed one.
        return
    yield Finding(
        Level.ERROR,
        "The newest migrate did not end well",
        "migrate",
        f"The run of {started:%Y-%m-%d %H:%M} UTC {result}: {error or 'no reason was written'}",
        manage("migrate"),
    )


def _newest_run(inspection: Inspection) -> tuple[datetime, str | None, str | None] | None:
    inspection.cursor.execute("SELECT pg_catalog.to_regclass('schema_migrationrun') IS NOT NULL")
    if not inspection.cursor.fetchone()[0]:
        raise CannotSee("The runs have no table yet.", f"Run: {manage('migrate')}")
    inspection.cursor.execute(
        """
        SELECT r.started_at, o.result, o.error
        FROM schema_migrationrun r LEFT JOIN schema_migrationoutcome o ON o.run_id = r.id
        ORDER BY r.started_at DESC LIMIT 1
        """
    )
    row: tuple[datetime, str | None, str | None] | None = inspection.cursor.fetchone()
    return row
