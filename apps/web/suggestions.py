"""What to type next: commands that work as they stand from the project's folder."""

from dataclasses import dataclass

from config.commands import manage

# A backup and its proof do not bring the copy on another machine that DATA-002.5 wants.
MENDED_BY_A_BACKUP = {"DATA-002.1", "DATA-002.2"}


@dataclass(frozen=True)
class Suggestion:
    """A command and what it is good for."""

    purpose: str
    command: str


def suggestions(failing_controls: set[str]) -> list[Suggestion]:
    """The commands that mend what fails, then those that are always useful."""
    found = []
    if failing_controls & MENDED_BY_A_BACKUP:
        found.append(Suggestion("Make a backup", manage("dbbackup")))
        found.append(Suggestion("Prove it by restoring it", manage("verify_backup --latest")))
    found.append(Suggestion("Judge the database again", manage("assess")))
    found.append(Suggestion("Show the register in the terminal", manage("register")))
    return found
