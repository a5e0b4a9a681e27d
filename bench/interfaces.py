"""Threads against the event loop, on the same pages and the same pool."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.load import Measured, beside, measure, middle
from drills.outages import ask, site

MODES = {"wsgi, threads": "native", "asgi, event loop": "native-asgi"}
PATHS = {"search": "/search/?q=tls", "5 ms of database": "/hold/5/"}
ROUNDS = 5
SECONDS = 3.0


def run() -> Iterator[str]:
    """A line for each page: requests a second, and the event loop's share of the threads'."""
    rounds: dict[tuple[str, str], list[Measured]] = {}
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir="/tmp"))
        )
        folder.chmod(0o711)
        first = stack.enter_context(site("native", folder, WEB_CONCURRENCY="1"))
        made = {
            interface: stack.enter_context(beside(first, mode, mode))
            for interface, mode in MODES.items()
        }
        for _ in range(ROUNDS):
            for interface in MODES:
                for page, path in PATHS.items():
                    ask(made[interface], "GET", path)
                    rounds.setdefault((page, interface), []).append(
                        measure(made[interface], path, SECONDS)
                    )
    yield "| page | wsgi requests/s | asgi requests/s | asgi ÷ wsgi |"
    yield "|---|---|---|---|"
    for page in PATHS:
        threads, loop = (middle(rounds[page, interface]).rate for interface in MODES)
        yield f"| {page} | {threads:.0f} | {loop:.0f} | {loop / threads:.2f} |"
