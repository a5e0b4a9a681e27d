"""The hooks stop a secret before it is committed."""

import os
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config.env import BASE_DIR


@pytest.fixture(scope="module")
def entries() -> dict[str, list[str]]:
    """Each hook's command line, with this environment's programs."""
    loaded = yaml.safe_load((BASE_DIR / ".pre-commit-config.yaml").read_text())
    folder = Path(sys.executable).parent
    found = {}
    for hook in loaded["repos"][0]["hooks"]:
        program, *arguments = shlex.split(hook["entry"])
        found[hook["id"]] = [str(folder / Path(program).name), *arguments]
    return found


def test_every_hook_runs_a_program_of_the_locked_requirements(
    entries: dict[str, list[str]],
) -> None:
    assert set(entries) == {
        *("ruff-check", "ruff-format", "formatted-sql", "detect-secrets", "compose"),
        "lint-migrations",
    }
    assert all(os.access(entry[0], os.X_OK) for entry in entries.values())


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("url = 'postgresql://somebody:{canary}@db.example/shop'\n", 1),
        ("api_key = '{canary}'\n", 1),
        ("url = 'postgresql://USER:PASSWORD@HOST/NAME'\n", 0),
        ("greeting = 'good morning'\n", 0),
    ],
)
def test_the_scanner_finds_a_canary_and_nothing_else(
    entries: dict[str, list[str]], tmp_path: Path, line: str, code: int
) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "config.py").write_text(line.format(canary=secrets.token_hex(20)))
    subprocess.run(["git", "add", "config.py"], cwd=tmp_path, check=True)
    answer = subprocess.run(
        [*entries["detect-secrets"], "config.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert answer.returncode == code, answer.stdout


def test_our_own_files_hold_no_secret(entries: dict[str, list[str]]) -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=BASE_DIR, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    names = [n for n in listed if n and not (n.startswith("requirements/") and n.endswith(".txt"))]
    names = [name for name in names if (BASE_DIR / name).is_file()]
    answer = subprocess.run(
        [*entries["detect-secrets"], *names], cwd=BASE_DIR, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stdout
