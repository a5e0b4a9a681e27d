"""A small application whose migrations a test writes, in a folder of its own."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.schema.world import World

SETTINGS = """
from config.settings import *
from config.settings import INSTALLED_APPS as INSTALLED
INSTALLED_APPS = [*INSTALLED, "workshop"]
"""
HEADER = """
import time
from django.db import connections, migrations, models
from django.contrib.postgres.operations import AddIndexConcurrently, CreateExtension

def fail(apps, schema_editor):
    raise ValueError("the seventh row is odd")

def nothing(apps, schema_editor):
    pass

def loop(apps, schema_editor):
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            pass

def block(apps, schema_editor):
    # A session of its own, which waits for the migration that waits for it.
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM workshop_item")
    finally:
        other.close()

class Migration(migrations.Migration):
    dependencies = [{dependencies}]
    atomic = {atomic}
    operations = [{operations}]
"""
FIRST = """
migrations.CreateModel("Item", [
    ("id", models.BigAutoField(primary_key=True)),
    ("name", models.CharField(max_length=50)),
    ("note", models.TextField(default="")),
])
"""


@dataclass
class Workshop:
    """The application's folder, and a database that its first migration was applied to."""

    world: World
    folder: Path
    database: str

    def prepare(self) -> None:
        package = self.folder / "workshop" / "migrations"
        package.mkdir(parents=True)
        (self.folder / "workshop_settings.py").write_text(SETTINGS)
        for place in (package.parent, package):
            (place / "__init__.py").touch()
        self.write("0001_initial", FIRST, after=None)

    def path(self, name: str) -> Path:
        return self.folder / "workshop" / "migrations" / f"{name}.py"

    def write(
        self, name: str, operations: str, *, after: str | None = "0001_initial", atomic: bool = True
    ) -> None:
        dependencies = f'("workshop", "{after}")' if after else ""
        text = HEADER.format(dependencies=dependencies, atomic=atomic, operations=operations)
        self.path(name).write_text(text)

    @property
    def variables(self) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "workshop_settings",
            "PYTHONPATH": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "BACKUP_DIR": str(self.folder / "backups"),
            "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
        }

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        return self.world.start(
            self.database, "migrate", *arguments, **(self.variables | variables)
        )

    def migrate(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return self.world.run(self.database, "migrate", *arguments, **(self.variables | variables))

    def rehearse(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """The rehearsal of what is pending for the workshop alone."""
        words = ("rehearse_migrations", "workshop", *arguments)
        return self.world.run(self.database, *words, **(self.variables | variables))

    def start_rehearsal(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        words = ("rehearse_migrations", "workshop", *arguments)
        return self.world.start(self.database, *words, **(self.variables | variables))

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        return self.world.sql(self.database, statement)

    @property
    def applied(self) -> list[str]:
        rows = self.sql("SELECT name FROM django_migrations WHERE app = 'workshop' ORDER BY id")
        return [str(name) for (name,) in rows]

    @property
    def outcomes(self) -> list[tuple[object, ...]]:
        """Result and plan of each run of the workshop's migrations, oldest first."""
        return self.sql(
            "SELECT o.result, r.plan FROM schema_migrationrun r"
            " LEFT JOIN schema_migrationoutcome o ON o.run_id = r.id"
            " WHERE r.plan::text LIKE '%workshop%' ORDER BY r.started_at"
        )
