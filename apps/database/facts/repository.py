"""Facts about the git repository that the project lies in."""

import os
import subprocess
from pathlib import Path

from apps.database.facts.errors import NoAnswer

TIMEOUT_SECONDS = 20


def tracked_files(folder: Path) -> list[Path] | None:
    """The files below the folder that git tracks, in order; None outside a repository.

    Raises NoAnswer where git is missing or will not answer.
    """
    try:
        answer = subprocess.run(
            ["git", "ls-files", "-z"],  # noqa: S607  # whichever git the user has
            cwd=folder,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswer(f"git does not run: {type(error).__name__}.") from error
    if answer.returncode == 0:
        return [folder / name for name in sorted(answer.stdout.split("\0")) if name]
    if "not a git repository" in answer.stderr:
        return None
    said = (answer.stderr.strip().splitlines() or ["no reason given"])[0]
    raise NoAnswer(f"git does not list its files: {said}")
