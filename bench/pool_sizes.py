"""What four sizes of the native pool do under one load; the table of docs/pool-sizing.md."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.load import CLIENTS, Measured, beside, measure, middle
from drills.outages import Site, ask, site

SIZES = (2, 5, 10, 15)
ROUNDS = 5
SECONDS = 3.0
# How long each request holds its connection.
HOLD_MS = 20


def waited_ms(made: Site) -> float:
    """Mean milliseconds that a request waited for a connection, as the process published it."""
    (path,) = (made.folder / "run").glob("connections-*.json")
    published = json.loads(path.read_text())
    return float(published["wait_ms"]) / max(1, published["requests"])


def run() -> Iterator[str]:
    """The lines of the table; a size's ratio is to the size before it."""
    yield (
        f"{CLIENTS} clients, {HOLD_MS} ms of database work each, one process, "
        f"median of {ROUNDS} interleaved rounds of {SECONDS:g} s"
    )
    rounds: dict[int, list[Measured]] = {size: [] for size in SIZES}
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir="/tmp"))
        )
        folder.chmod(0o711)
        first = stack.enter_context(site("native", folder, WEB_CONCURRENCY="1"))
        made = {
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
        for turn in range(ROUNDS):
            for size in SIZES[turn % len(SIZES) :] + SIZES[: turn % len(SIZES)]:
                ask(made[size], "GET", f"/hold/{HOLD_MS}/")
                rounds[size].append(measure(made[size], f"/hold/{HOLD_MS}/", SECONDS))
        waits = {size: waited_ms(made[size]) for size in SIZES}
    yield ""
    yield "| pool size | requests/s | × the size before | p50 | p95 | mean wait | refused |"
    yield "|---|---|---|---|---|---|---|"
    before: float | None = None
    for size in SIZES:
        found = middle(rounds[size])
        ratio = "" if before is None else f"{found.rate / before:.2f}"
        yield (
            f"| {size} | {found.rate:.0f} | {ratio} | {found.p50 * 1000:.0f} ms "
            f"| {found.p95 * 1000:.0f} ms | {waits[size]:.0f} ms | {found.refused} |"
        )
        before = found.rate
    yield ""
