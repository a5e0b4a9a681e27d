"""`.env.example` and the declared variables agree."""

import re
from pathlib import Path

from config.env import BASE_DIR, read_env_file
from config.variables import VARIABLES

EXAMPLE = BASE_DIR / ".env.example"
ASSIGNMENT = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


def assignments() -> list[tuple[str, str]]:
    return ASSIGNMENT.findall(EXAMPLE.read_text())


def test_it_names_every_declared_variable_once_and_no_other() -> None:
    names = [name for name, _ in assignments()]
    assert sorted(names) == sorted(variable.name for variable in VARIABLES)


def test_it_shows_the_defaults_and_no_secret() -> None:
    declared = {variable.name: variable.default or "" for variable in VARIABLES}
    assert dict(assignments()) == declared


def test_a_copy_of_it_sets_nothing(tmp_path: Path) -> None:
    copy = tmp_path / ".env"
    copy.write_text(EXAMPLE.read_text())
    assert read_env_file(copy) == {}


def test_its_lines_are_read_when_the_mark_is_removed(tmp_path: Path) -> None:
    copy = tmp_path / ".env"
    copy.write_text(ASSIGNMENT.sub(r"\1=\2", EXAMPLE.read_text()))
    assert read_env_file(copy) == dict(assignments())
