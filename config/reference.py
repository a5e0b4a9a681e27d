"""Writes docs/environment.md from the declared variables: python -m config.reference."""

import sys
import textwrap
from collections.abc import Iterator

from config.env import BASE_DIR
from config.variables import LIBPQ_FORGOTTEN, LIBPQ_REFUSED, VARIABLES, Variable

PAGE = BASE_DIR / "docs" / "environment.md"
# Which variables stand under which heading, by the beginning of their names, first match first.
GROUPS = (
    ("The database, as app", ("DATABASE_URL", *(f"DATABASE_{part}" for part in
     ("HOST", "PORT", "NAME", "USER", "PASSWORD", "SSLMODE", "SSLROOTCERT")))),
    ("The database, as owner", ("DATABASE_OWNER_",)),
    ("The database, as auditor", ("DATABASE_AUDITOR_",)),
    ("The database, as admin", ("DATABASE_ADMIN_",)),
    ("A database that is not the project's", ("ASSESS_",)),
    ("Encryption, pooling, time-outs", ("DATABASE_",)),
    ("Backups", ("BACKUP_", "DBBACKUP_")),
    ("Work that runs by itself", ("JOB_",)),
    ("Health and metrics", ("HEALTH_", "METRICS_", "SLOW_")),
    ("The web server", ("WEB_", "PORT", "RUNTIME_")),
    ("Hosts and transport", ("ALLOWED_", "CSRF_", "TLS_", "HSTS_")),
)  # fmt: skip
OTHERS = "The process"
INTRODUCTION = """\
# Environment variables

Generated from `config/variables.py` by `make docs`; a test compares them.

Variables of the process go before those of `.env` beside `manage.py`, which `.env.example` shows.
An unknown name in `.env`, a misspelt word or a wrong number stops the start and names the variable.
A variable set to nothing counts as missing. The web process forgets the addresses of every role but
app when it starts.
"""


def page() -> str:
    """The whole text of docs/environment.md."""
    return "\n".join([INTRODUCTION, *_sections(), *_libpq()]).rstrip() + "\n"


def _sections() -> Iterator[str]:
    sections: dict[str, list[Variable]] = {name: [] for name in (OTHERS, *dict(GROUPS))}
    for variable in VARIABLES:
        sections[_group_of(variable)].append(variable)
    for name, variables in sections.items():
        if variables:
            yield f"## {name}\n\n| Variable | What it says | Default |\n|---|---|---|"
            yield "\n".join(map(_row, variables)) + "\n"


def _group_of(variable: Variable) -> str:
    for name, beginnings in GROUPS:
        exact = name == "The database, as app"
        for beginning in beginnings:
            if variable.name == beginning or (
                variable.name.startswith(beginning)
                and (not exact or variable.name == f"{beginning}_FILE")
            ):
                return name
    return OTHERS


def _row(variable: Variable) -> str:
    default = f"`{variable.default}`" if variable.default else "none"
    secret = " Secret." if variable.secret else ""
    text = (variable.help + secret).replace("|", "\\|")
    return f"| `{variable.name}` | {text} | {default} |"


def _libpq() -> Iterator[str]:
    yield "## Variables of PostgreSQL's library\n"
    yield _paragraph(
        "An address says everything about a connection. These variables, which platforms and "
        f"shells set, are forgotten when a process starts: {_names(LIBPQ_FORGOTTEN)}."
    )
    yield _paragraph(
        f"These would add to every address, and stop the start: {_names(LIBPQ_REFUSED)}."
    )


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _paragraph(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(BASE_DIR)}\n")
