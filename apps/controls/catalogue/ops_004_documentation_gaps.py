"""Who has to act finds the page, and what the page says can be typed.

Eight documents are wanted. Whatever they set as code, a command, a target of make or a variable,
exists in this code; pages that are generated are those that this code would generate.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from django.conf import settings
from django.core.management import CommandError, get_commands, load_command_class

from apps.controls.control import CannotSee, Finding, Level, Scope, Specimen, control
from apps.controls.documents import Command, UnendedBlock, commands, documents, variables
from apps.controls.inspection import Inspection
from apps.controls.planting import append, edit, original, remove, sequence, write
from config import reference
from config.env import BASE_DIR
from config.variables import VARIABLES

WANTED = {
    "docs/connections.md": "connection and configuration",
    "docs/pool-sizing.md": "pool sizing",
    "docs/migrations.md": "migrations and rollback",
    "docs/backup-and-restore.md": "backup and restore",
    "docs/environment.md": "environment variables",
    "docs/tls.md": "TLS in production and development",
    "docs/roles.md": "roles and least privilege",
    "docs/troubleshooting.md": "troubleshooting",
}
# Fewer words than any instruction needs: a heading and a promise.
FEWEST_WORDS = 60
GENERATED: Mapping[str, Callable[[], str]] = {"docs/environment.md": reference.page}
# Beginnings that only the project's own variables have.
PREFIXES = ("DATABASE_", "BACKUP_", "WEB_", "HSTS_", "RUNTIME_")
_HERE = sequence(original("docs"), original("Makefile"))


def _require_documents() -> None:
    if not (BASE_DIR / "docs").is_dir():
        raise CannotSee(
            "There is no folder docs beside manage.py.", "Run assess where the whole project lies."
        )


@control(
    "OPS-004.1",
    "The eight documents exist and say something",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "nobody wrote down how to restore",
            plant=sequence(_HERE, remove("docs/backup-and-restore.md")),
            repair=original("docs"),
            near_miss=sequence(_HERE, write("docs/restore.md", "# Restore\n\nSee another.\n")),
            subject="docs/backup-and-restore.md",
            peer=True,
        ),
        Specimen(
            "a heading and a promise",
            plant=sequence(_HERE, write("docs/roles.md", "# Roles\n\nTo be written.\n")),
            repair=original("docs"),
            near_miss=sequence(
                _HERE, write("docs/roles.md", f"# Roles\n\n{'Each may do this. ' * 15}\n")
            ),
            subject="docs/roles.md",
            peer=True,
        ),
    ),
)
def wanted_documents_exist(inspection: Inspection) -> Iterator[Finding]:
    _require_documents()
    words = {name: _words(BASE_DIR / name) for name in WANTED}
    inspection.evidence["words"] = words
    for name, count in words.items():
        if count < FEWEST_WORDS:
            yield Finding(
                Level.ERROR,
                "A document is missing",
                name,
                f"It should tell of {WANTED[name]}, and "
                + (f"has {count} words." if count else "does not exist."),
                f"Write {name}; git log -- {name} shows whether it was there once.",
            )


def _words(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").split()) if path.is_file() else 0


@control(
    "OPS-004.2",
    "What the documents tell people to type exists",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a command that does not exist",
            plant=sequence(_HERE, append("docs/roles.md", "\n```sh\nmanage.py asess\n```\n")),
            repair=original("docs"),
            near_miss=sequence(_HERE, append("docs/roles.md", "\nmanage.py asess is a slip.\n")),
            subject="docs/roles.md: manage.py asess",
            peer=True,
        ),
        Specimen(
            "an option that does not exist",
            plant=sequence(
                _HERE, append("docs/roles.md", "\nType `manage.py assess --selftest`.\n")
            ),
            repair=original("docs"),
            near_miss=sequence(
                _HERE, append("docs/roles.md", "\nType `manage.py assess --self-test  # proof`.\n")
            ),
            subject="docs/roles.md: manage.py assess --selftest",
            peer=True,
        ),
        Specimen(
            "a target that make does not know",
            plant=sequence(_HERE, append("docs/tls.md", "\n    make tset\n")),
            repair=original("docs"),
            near_miss=sequence(_HERE, append("docs/tls.md", "\n    make test WORKERS=2  # all\n")),
            subject="docs/tls.md: make tset",
            peer=True,
        ),
        Specimen(
            "a variable that nothing reads",
            plant=sequence(
                _HERE, append("docs/connections.md", "\nSet `DATABASE_POOL_SIZES=9`.\n")
            ),
            repair=original("docs"),
            near_miss=sequence(
                _HERE,
                append("docs/connections.md", "\n`DATABASE_…_URL` and `DATABASE_POOL_SIZE=9`.\n"),
            ),
            subject="docs/connections.md: DATABASE_POOL_SIZES",
            peer=True,
        ),
        Specimen(
            "the command was renamed, its document was not",
            plant=sequence(_HERE, edit("docs/tls.md", r"manage\.py check", "manage.py verify_tls")),
            repair=original("docs"),
            near_miss=sequence(
                _HERE, edit("docs/tls.md", r"manage\.py check", "manage.py migrate")
            ),
            subject="docs/tls.md: manage.py verify_tls",
            peer=True,
        ),
    ),
)
def what_is_typed_exists(inspection: Inspection) -> Iterator[Finding]:
    _require_documents()
    targets = _targets()
    counted = {"commands": 0, "targets": 0, "variables": 0}
    for path in documents(BASE_DIR):
        name = path.relative_to(BASE_DIR).as_posix()
        try:
            typed, made = commands(path, "manage.py"), commands(path, "make")
            named = variables(path, PREFIXES)
        except UnendedBlock as error:
            yield _wrong(name, str(error))
            continue
        counted["commands"] += len(typed)
        counted["targets"] += len(made)
        counted["variables"] += len(named)
        for command in typed:
            problem = _problem_of(command)
            if problem:
                yield _wrong(f"{name}: manage.py {_as_typed(command)}", problem)
        for target in made:
            if target.name not in targets:
                yield _wrong(f"{name}: make {target.name}", "The Makefile has no such target.")
        for variable in sorted(named - _known_names()):
            yield _wrong(f"{name}: {variable}", "config/variables.py declares no such variable.")
    inspection.evidence.update(counted)


def _wrong(subject: str, detail: str) -> Finding:
    return Finding(
        Level.ERROR,
        "A document tells people to type what does not exist",
        subject,
        detail,
        f"Correct {subject.partition(':')[0]}.",
    )


def _as_typed(command: Command) -> str:
    return " ".join([command.name, *command.arguments])


def _targets() -> set[str]:
    path = BASE_DIR / "Makefile"
    if not path.is_file():
        raise CannotSee(
            "There is no Makefile beside manage.py.", "Run assess where the whole project lies."
        )
    return set(re.findall(r"^([a-z][a-z_-]*):", path.read_text(encoding="utf-8"), re.MULTILINE))


def _known_names() -> set[str]:
    return {variable.name for variable in VARIABLES} | set(dir(settings))


def _problem_of(command: Command) -> str | None:
    """Why the command cannot be typed so; None when it can."""
    application = get_commands().get(command.name)
    if application is None:
        return "There is no such command."
    if not command.arguments:
        return None
    loaded = load_command_class(str(application), command.name)
    try:
        loaded.create_parser("manage.py", command.name).parse_args(list(command.arguments))
    except CommandError as error:
        return str(error)
    return None


@control(
    "OPS-004.3",
    "Generated pages are those that this code generates",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "somebody wrote into a generated page",
            plant=sequence(_HERE, append("docs/environment.md", "\nBy hand.\n")),
            repair=original("docs"),
            near_miss=sequence(_HERE, append("docs/connections.md", "\nBy hand.\n")),
            subject="docs/environment.md",
            peer=True,
        ),
        Specimen(
            "a variable changed, its page did not",
            plant=sequence(
                _HERE,
                edit("config/variables.py", "Port that the web server", "The port that the server"),
            ),
            repair=original("config/variables.py"),
            near_miss=sequence(
                _HERE, append("config/variables.py", "\n# A comment for readers.\n")
            ),
            subject="docs/environment.md",
            peer=True,
        ),
        Specimen(
            "nobody generated it",
            plant=sequence(_HERE, remove("docs/environment.md")),
            repair=original("docs"),
            near_miss=_HERE,
            subject="docs/environment.md",
            peer=True,
        ),
    ),
)
def generated_pages_are_fresh(inspection: Inspection) -> Iterator[Finding]:
    _require_documents()
    inspection.evidence["generated"] = sorted(GENERATED)
    for name, generate in GENERATED.items():
        path = BASE_DIR / name
        if not path.is_file() or path.read_text(encoding="utf-8") != generate():
            yield Finding(
                Level.ERROR,
                "A generated page is not what this code says",
                name,
                "It differs from what is declared." if path.is_file() else "It does not exist.",
                "make docs",
            )
