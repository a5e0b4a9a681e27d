"""What four sizes of the native pool do under one load; the table of docs/pool-sizing.md."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load import CLIENTS, Measured, beside, measure, middle
from drills.outages import Site, ask, site

SIZES = (2, 5, 10, 15, 20)
ROUNDS = 5
SECONDS = 3.0
# How long each request holds its connection.
HOLD_MS = 20


@dataclass(frozen=True)
class Waited:
    """How a process's requests waited for connections: the mean, and its share of their time."""

    mean_ms: float
    share: float


def waited(made: Site) -> Waited:
    """The waiting as the process published it; its time is the wait and the use of a connection."""
    (path,) = (made.folder / "run").glob("connections-*.json")
    published = json.loads(path.read_text())
    wait_ms, held_ms = published["wait_ms"], published["held_ms"]
    return Waited(wait_ms / max(1, published["requests"]), wait_ms / max(1, wait_ms + held_ms))


@contextmanager
def sites() -> Iterator[dict[int, Site]]:
    """A web process for each size, all on one database."""
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir="/tmp"))
        )
        folder.chmod(0o711)
        first = stack.enter_context(site("native", folder, WEB_CONCURRENCY="1"))
        yield {
            size: stack.enter_context(
                beside(
                    first,
                    str(size),
                    "native",
                    WEB_CONCURRENCY="1",
                    WEB_THREADS="32",
                    DATABASE_POOL_SIZE=str(size),
                    DATABASE_POOL_MAX_OVERFLOW="0",
                )
            )
            for size in SIZES
        }


def run() -> Iterator[str]:
    """The lines of the table; a size's ratio is to the size before it."""
    yield (
        f"{CLIENTS} clients, {HOLD_MS} ms of database work each, one process, "
        f"median of {ROUNDS} interleaved rounds of {SECONDS:g} s"
    )
    rounds: dict[int, list[Measured]] = {size: [] for size in SIZES}
    with sites() as made:
        for turn in range(ROUNDS):
            for size in SIZES[turn % len(SIZES) :] + SIZES[: turn % len(SIZES)]:
                ask(made[size], "GET", f"/hold/{HOLD_MS}/")
                rounds[size].append(measure(made[size], f"/hold/{HOLD_MS}/", SECONDS))
        waits = {size: waited(made[size]) for size in SIZES}
    yield from table({size: middle(rounds[size]) for size in SIZES}, waits)


def table(found: dict[int, Measured], waits: dict[int, Waited]) -> Iterator[str]:
    """A row for each size, smallest first."""
    yield ""
    yield (
        "| pool size | requests/s | × the size before | p50 | p95 | mean wait | time waiting "
        "| refused |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    before: float | None = None
    for size, measured in found.items():
        ratio = "" if before is None else f"{measured.rate / before:.2f}"
        yield (
            f"| {size} | {measured.rate:.0f} | {ratio} | {measured.p50 * 1000:.0f} ms "
            f"| {measured.p95 * 1000:.0f} ms | {waits[size].mean_ms:.0f} ms "
            f"| {waits[size].share:.0%} | {measured.refused} |"
        )
        before = measured.rate
    yield ""
