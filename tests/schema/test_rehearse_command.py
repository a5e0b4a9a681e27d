"""The command: its answers, its refusals, and that nothing stays behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from psycopg.sql import SQL, Identifier

from apps.database.connection import role_entry
from apps.database.roles import provision
from apps.database.server import Cluster
from apps.schema.rehearsal.copy import Source
from apps.schema.rehearsal.live import read_live
from apps.schema.rehearsal.rehearse import rehearse
from apps.schema.rehearsal.report import markdown, table
from config.database import DatabaseEntry
from config.env import BASE_DIR
from tests import environment

EMPTY = "holdfast_unmigrated"


@pytest.fixture
def unmigrated(cluster: Cluster) -> Iterator[DatabaseEntry]:
    """A provisioned database that no migration has reached."""
    with cluster.connect() as admin:
        provision(admin, EMPTY, environment.roles)
        yield DatabaseEntry({**role_entry("owner"), "NAME": EMPTY})
        admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(EMPTY)))


def run(*arguments: str) -> subprocess.Popen[str]:
    variables = {
        name: value.replace(f"/{environment.DATABASE}", f"/{EMPTY}")
        for name, value in os.environ.items()
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", "rehearse_migrations", *arguments],
        cwd=BASE_DIR,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_migration_of_ours_passes_its_rehearsal(
    unmigrated: DatabaseEntry, django_db_blocker: pytest.FixtureRequest
) -> None:
    with django_db_blocker.unblock():
        live = read_live(unmigrated)
        made = rehearse(unmigrated, live, Source("empty"))
        assert read_live(unmigrated) == live
    labels = {config.label for config in apps.get_app_configs() if config.name.startswith("apps.")}
    ours = [one for one in made.migrations if one.app in labels]
    assert {"accounts", "risks", "controls"} <= {one.app for one in ours}
    wrong = {f"{one.app}.{one.name}": one.hazards for one in ours if one.verdict != "safe"}
    assert wrong == {}
    assert made.safe
    assert made.server == "embedded"
    assert "0 unsafe" in table(made)
    assert "| accounts.0001_initial | safe |" in markdown(made)


@pytest.mark.django_db
def test_nothing_pending_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("rehearse_migrations", "--from-live", "--format", "json")
    said = json.loads(capsys.readouterr().out)
    assert said["migrations"] == []
    assert said["safe"] is True
    assert said["source"] == "live"


@pytest.mark.django_db
def test_a_backup_that_is_not_there_is_refused() -> None:
    with pytest.raises(CommandError, match="There is no complete backup 'gone'") as error:
        call_command("rehearse_migrations", "--from-backup", "gone")
    assert error.value.returncode == 3


@pytest.mark.django_db
def test_an_application_that_is_not_there_is_refused() -> None:
    with pytest.raises(CommandError, match="no application 'nowhere'") as error:
        call_command("rehearse_migrations", "nowhere", "--empty")
    assert error.value.returncode == 3


def guarded_folders(process: int) -> list[Path]:
    """The scratch folders that the process's guardians would remove after its death."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    found = []
    for child in children:
        try:
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\x00")
        except OSError:
            # A child that has ended since guards nothing.
            continue
        found += [Path(os.fsdecode(w)) for w in words if w.startswith(b"/tmp/holdfast-")]
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_rehearsal_leaves_nothing_behind(
    unmigrated: DatabaseEntry, number: signal.Signals
) -> None:
    with run("--empty") as process:
        deadline = time.monotonic() + 60
        while not any(
            (f / "data" / "postmaster.pid").exists() for f in guarded_folders(process.pid)
        ):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        folders = guarded_folders(process.pid)
        time.sleep(0.5)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 3
    assert said.strip() == (
        "CommandError: Interrupted; the scratch copy is gone, the real database was only read."
    )
    assert [folder for folder in folders if folder.exists()] == []
