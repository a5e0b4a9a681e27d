"""gunicorn's own event-loop worker against uvicorn's, on the same pages and the same pool.

`python -m bench workers FOLDER…`: each folder is named after what it adds and was filled by
`pip install --target FOLDER` with uvicorn and uvicorn-worker, uvloop, httptools or gunicorn_h1c.
None is a dependency of the project. With uvicorn_worker in the folder, that worker serves.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from bench.load import Measured, measure, middle
from drills.outages import Site, ask, site

PATHS = {
    "no database": "/health/live/",
    "search": "/search/?q=tls",
    "5 ms of database": "/hold/5/",
}
ROUNDS = 5
SECONDS = 2.0


def workers(folders: Sequence[str]) -> dict[str, dict[str, str]]:
    """The variables of each worker's process, by name; gunicorn's own comes first."""
    made: dict[str, dict[str, str]] = {"gunicorn asgi": {}}
    for folder in map(Path, folders):
        made[folder.name] = {"PYTHONPATH": str(folder)}
        if (folder / "uvicorn_worker").is_dir():
            made[folder.name]["GUNICORN_CMD_ARGS"] = "--worker-class uvicorn_worker.UvicornWorker"
    return made


def cpu_seconds(made: Site) -> float:
    """The processor time of the site's web processes, which a busy machine hardly changes."""
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"PORT={made.web_port}".encode() in (process / "environ").read_bytes().split(b"\0"):
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        except OSError:
            # It ended meanwhile, or is another user's.
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def run(*folders: str) -> Iterator[str]:
    """A line for each page and worker; ratios are to gunicorn's own worker in the same round."""
    chosen = workers(folders)
    rounds: dict[tuple[str, str], list[Measured]] = {}
    costs: dict[tuple[str, str], list[float]] = {}
    for turn in range(ROUNDS):
        # Whoever comes first in a round does not come first in the next.
        for worker in list(chosen)[turn % len(chosen) :] + list(chosen)[: turn % len(chosen)]:
            with tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir="/tmp") as folder:
                Path(folder).chmod(0o711)
                with site("native-asgi", Path(folder), **chosen[worker]) as made:
                    for page, path in PATHS.items():
                        ask(made, "GET", path)
                        before = cpu_seconds(made)
                        found = measure(made, path, SECONDS)
                        rounds.setdefault((page, worker), []).append(found)
                        cost = (cpu_seconds(made) - before) / (found.rate * SECONDS)
                        costs.setdefault((page, worker), []).append(cost)
    yield "| page | worker | requests/s | ratio | CPU a request | ratio | p95 | refused |"
    yield "|---|---|---|---|---|---|---|---|"
    own = next(iter(chosen))
    for page in PATHS:
        for worker in chosen:
            found = middle(rounds[page, worker])
            rates = _ratio(
                [r.rate for r in rounds[page, worker]], [r.rate for r in rounds[page, own]]
            )
            cost = _ratio(costs[page, worker], costs[page, own])
            yield (
                f"| {page} | {worker} | {found.rate:.0f} | {rates:.2f} "
                f"| {median(costs[page, worker]) * 1000:.2f} ms | {cost:.2f} "
                f"| {found.p95 * 1000:.0f} ms | {found.refused} |"
            )


def _ratio(figures: list[float], others: list[float]) -> float:
    """The median of the rounds' ratios."""
    return median(one / other for one, other in zip(figures, others, strict=True))
