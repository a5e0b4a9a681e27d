"""The document about migrations: its commands work, and its table knows every hazard."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from apps.database.server import Cluster
from apps.schema.rehearsal.verdict import LEVELS
from config.env import BASE_DIR
from tests import environment
from tests.schema.test_rehearse_command import EMPTY, unmigrated  # noqa: F401  # a fixture

DOCUMENT = (BASE_DIR / "docs" / "migrations.md").read_text(encoding="utf-8")


def test_every_hazard_stands_in_the_table_with_its_verdict() -> None:
    said = {}
    for names, level in re.findall(r"^\| (`[^|]+`) \|.*\| (\w+) \|$", DOCUMENT, re.MULTILINE):
        said |= dict.fromkeys(re.findall(r"`(\w+)`", names), level)
    assert said == {name: str(level) for name, level in LEVELS.items()}


def test_the_procedure_works_as_it_is_written(
    cluster: Cluster,
    unmigrated: dict[str, str],  # noqa: F811  # the fixture
    tmp_path: Path,
) -> None:
    block = re.search(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    assert block is not None
    commands = block[1].strip().splitlines()
    assert len(commands) == 7
    variables = {
        name: value.replace(f"/{environment.DATABASE}", f"/{EMPTY}")
        for name, value in os.environ.items()
    }
    variables |= {"BACKUP_DIR": str(tmp_path), "DATABASE_ADMIN_URL": cluster.address()}
    for command in commands:
        python, *words = shlex.split(command)
        assert python == ".venv/bin/python"
        answer = subprocess.run(
            [sys.executable, *words],
            cwd=BASE_DIR,
            env=variables,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert answer.returncode == 0, (command, answer.stdout, answer.stderr)
        if "rehearse" in command:
            assert "on a copy (backup " in answer.stdout


def test_the_question_for_invalid_indexes_is_sql(cluster: Cluster) -> None:
    block = re.search(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)
    assert block is not None
    with cluster.connect() as connection:
        assert connection.execute(block[1].encode()).fetchall() == []
