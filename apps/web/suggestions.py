"""What to type next: commands that work as they stand from the project's folder."""

from dataclasses import dataclass

MANAGE = ".venv/bin/python manage.py"


@dataclass(frozen=True)
class Suggestion:
    """A command and what it is good for."""

    purpose: str
    command: str


def suggestions(failing_controls: set[str]) -> list[Suggestion]:
    """The commands that mend what fails, then those that are always useful."""
    found = []
    if any(control.startswith("DATA-002.") for control in failing_controls):
        found.append(Suggestion("Make a backup", f"{MANAGE} dbbackup"))
        found.append(Suggestion("Prove it by restoring it", f"{MANAGE} verify_backup --latest"))
    found.append(Suggestion("Judge the database again", f"{MANAGE} assess"))
    found.append(Suggestion("Show the register in the terminal", f"{MANAGE} register"))
    return found
