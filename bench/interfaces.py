"""Threads against the event loop, on the same pages and the same pool."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.load import Measured, measure, middle
from drills.outages import ask, site

MODES = {"wsgi, threads": "native", "asgi, event loop": "native-asgi"}
PATHS = {"search": "/search/?q=tls", "5 ms of database": "/hold/5/"}
ROUNDS = 5
SECONDS = 3.0


def run() -> Iterator[str]:
    """A line for each page: requests a second, and the event loop's share of the threads'."""
    rounds: dict[tuple[str, str], list[Measured]] = {}
    for _ in range(ROUNDS):
        for interface, mode in MODES.items():
            with tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir="/tmp") as folder:
                Path(folder).chmod(0o711)
                with site(mode, Path(folder)) as made:
                    for page, path in PATHS.items():
                        ask(made, "GET", path)
                        rounds.setdefault((page, interface), []).append(
                            measure(made, path, SECONDS)
                        )
    yield "| page | wsgi requests/s | asgi requests/s | asgi ÷ wsgi |"
    yield "|---|---|---|---|"
    for page in PATHS:
        threads, loop = (middle(rounds[page, interface]).rate for interface in MODES)
        yield f"| {page} | {threads:.0f} | {loop:.0f} | {loop / threads:.2f} |"
