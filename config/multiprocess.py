"""Where gunicorn's processes keep their metrics, so that whichever is asked can tell all of them.

Imported by gunicorn's configuration only: importing it decides how a process counts.
"""

import os
import shutil
import tempfile
from pathlib import Path

from config.env import BASE_DIR, load_environment, one_sentence

# The library reads the variable when it is imported, which is below.
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

with one_sentence():
    _env = load_environment()
    # Two services of one machine may share RUNTIME_DIR, and never a port.
    _port = _env.integer("PORT", minimum=1, maximum=65535)
    FOLDER = BASE_DIR / (_env.text("RUNTIME_DIR") or "var/run") / f"metrics-{_port}"
    os.environ[VARIABLE] = str(FOLDER)

from prometheus_client import multiprocess  # noqa: E402


def start_afresh() -> Path:
    """An empty folder; one of its own for this start where RUNTIME_DIR cannot be written."""
    folder = FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="holdfast-metrics-"))
    os.environ[VARIABLE] = str(folder)
    return folder


def forget_process(process: int) -> None:
    """Drop what only a living process has."""
    multiprocess.mark_process_dead(process)  # type: ignore[no-untyped-call]
