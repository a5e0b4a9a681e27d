"""gunicorn's own event-loop worker against uvicorn's, on the same pages and the same pool.

`python -m bench workers FOLDER…`: each folder is named after what it adds and was filled by
`pip install --target FOLDER` with uvicorn and uvicorn-worker, uvloop, httptools or gunicorn_h1c.
None is a dependency of the project. With uvicorn_worker in the folder, that worker serves.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.load import Measured, measure, middle
from drills.outages import ask, site

PATHS = {
    "no database": "/health/live/",
    "search": "/search/?q=tls",
    "5 ms of database": "/hold/5/",
}
ROUNDS = 9
SECONDS = 2.0


def workers(folders: Sequence[str]) -> dict[str, dict[str, str]]:
    """The variables of each worker's process, by name; gunicorn's own comes first."""
    made: dict[str, dict[str, str]] = {"gunicorn asgi": {}}
    for folder in map(Path, folders):
        made[folder.name] = {"PYTHONPATH": str(folder)}
        if (folder / "uvicorn_worker").is_dir():
            made[folder.name]["GUNICORN_CMD_ARGS"] = "--worker-class uvicorn_worker.UvicornWorker"
    return made


def run(*folders: str) -> Iterator[str]:
    """A line for each page and worker: the ratio is to gunicorn's own worker in the same round."""
    chosen = workers(folders)
    rounds: dict[tuple[str, str], list[Measured]] = {}
    for turn in range(ROUNDS):
        # Whoever comes first in a round does not come first in the next.
        order = list(chosen)[turn % len(chosen) :] + list(chosen)[: turn % len(chosen)]
        for worker in order:
            with tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir="/tmp") as folder:
                Path(folder).chmod(0o711)
                with site("native-asgi", Path(folder), **chosen[worker]) as made:
                    for page, path in PATHS.items():
                        ask(made, "GET", path)
                        rounds.setdefault((page, worker), []).append(measure(made, path, SECONDS))
    own = next(iter(chosen))
    yield "| page | worker | requests/s | ÷ gunicorn asgi | p50 | p95 | refused |"
    yield "|---|---|---|---|---|---|---|"
    for page in PATHS:
        for worker in chosen:
            found = middle(rounds[page, worker])
            pairs = zip(rounds[page, worker], rounds[page, own], strict=True)
            ratios = sorted(one.rate / other.rate for one, other in pairs)
            yield (
                f"| {page} | {worker} | {found.rate:.0f} | {ratios[len(ratios) // 2]:.2f} "
                f"| {found.p50 * 1000:.0f} ms | {found.p95 * 1000:.0f} ms | {found.refused} |"
            )
