"""The page about the environment is the declarations, and fresh."""

import re
import subprocess
import sys

from config.env import BASE_DIR
from config.reference import PAGE, _group_of, page
from config.variables import LIBPQ_FORGOTTEN, LIBPQ_REFUSED, VARIABLES, Variable


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it again: make docs"


def test_it_names_every_variable_once_with_its_default() -> None:
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| (.+) \| (.+) \|$", page(), re.MULTILINE)
    assert sorted(name for name, _, _ in rows) == sorted(item.name for item in VARIABLES)
    shown = {name: default for name, _, default in rows}
    assert shown == {v.name: f"`{v.default}`" if v.default else "none" for v in VARIABLES}
    assert {name for name, text, _ in rows if text.endswith("Secret.")} == {
        item.name for item in VARIABLES if item.secret
    }


def test_it_names_what_is_forgotten_and_refused_of_the_library() -> None:
    last = page().rpartition("## ")[2]
    assert set(re.findall(r"`(PG[A-Z_]+)`", last)) == {*LIBPQ_FORGOTTEN, *LIBPQ_REFUSED}


def test_variables_stand_under_their_headings() -> None:
    groups = {name: _group_of(Variable(name, "")) for name in (
        "DATABASE_URL", "DATABASE_PASSWORD_FILE", "DATABASE_OWNER_HOST", "DATABASE_POOL_SIZE",
        "BACKUP_DIR", "PORT", "ALLOWED_HOSTS", "SECRET_KEY_FILE", "SOMETHING_NEW",
    )}  # fmt: skip
    assert list(groups.values()) == [
        *("The database, as app", "The database, as app", "The database, as owner"),
        *("Encryption, pooling, time-outs", "Backups", "The web server", "Hosts and transport"),
        *("The process", "The process"),
    ]


def test_the_command_writes_the_page_that_is_there() -> None:
    before = PAGE.read_bytes()
    answer = subprocess.run(
        [sys.executable, "-m", "config.reference"], cwd=BASE_DIR, capture_output=True, text=True
    )
    assert (answer.returncode, answer.stdout) == (0, "docs/environment.md\n")
    assert PAGE.read_bytes() == before
