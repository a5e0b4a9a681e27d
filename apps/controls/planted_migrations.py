"""Actions that put a migration into the peer's copy of the project, for specimens."""

from typing import TYPE_CHECKING

from apps.controls.control import Action
from apps.controls.planting import command, sequence, sql

if TYPE_CHECKING:
    from apps.controls.scratch import Scratch

APP, NAME = "controls", "9001_planted"
SUBJECT = f"{APP}.{NAME}"
# What is pending, tried on a copy and remembered.
REHEARSED = command("rehearse_migrations", "--from-live")
_FILE = """from django.db import migrations, models


def nothing(apps, schema_editor):
    pass


class Migration(migrations.Migration):
    {attributes}
    dependencies = [("{app}", "{last}")]
    operations = [{operations}]
"""


def migration(operations: str, attributes: str = "") -> Action:
    """A migration with these operations, behind the application's last; in place of one planted."""

    def act(scratch: "Scratch") -> None:
        folder = scratch.project / "apps" / APP / "migrations"
        others = sorted(path.stem for path in folder.glob("0*.py"))
        text = _FILE.format(app=APP, last=others[-1], operations=operations, attributes=attributes)
        (folder / f"{NAME}.py").write_text(text, encoding="utf-8")

    return act


def applied(operations: str, attributes: str = "") -> Action:
    """The same, recorded as applied."""
    return sequence(
        migration(operations, attributes),
        sql(
            "DELETE FROM django_migrations WHERE name = '9001_planted'",
            "INSERT INTO django_migrations (app, name, applied)"
            " VALUES ('controls', '9001_planted', now())",
        ),
    )


def without_migration(scratch: "Scratch") -> None:
    """Take the planted migration away."""
    (scratch.project / "apps" / APP / "migrations" / f"{NAME}.py").unlink()
