"""Requests as fast as clients can ask, and how long each took."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median

from apps.database.server import free_port
from drills.outages import Site, ask, serving

CLIENTS = 24


@dataclass(frozen=True)
class Measured:
    """One round: good answers in a second, others, and seconds of waiting by quantile."""

    rate: float
    refused: int
    p50: float
    p95: float


@contextmanager
def beside(made: Site, name: str, mode: str, **variables: str) -> Iterator[Site]:
    """A second web server on the site's database, with variables of its own; it rests for nothing.

    So all that is compared stands ready from the start, and rounds are short.
    """
    folder = made.folder / name
    folder.mkdir()
    for file in ("hosts", "resolv.conf"):
        shutil.copy(made.folder / file, folder / file)
    second = replace(made, folder=folder, mode=mode, web_port=free_port())
    with serving(second, **variables):
        yield second


def measure(made: Site, path: str, seconds: float, clients: int = CLIENTS) -> Measured:
    """Ask for the path with so many clients for so long."""
    attempts = []
    stop = time.monotonic() + seconds

    def client() -> None:
        while time.monotonic() < stop:
            attempts.append(ask(made, "GET", path))

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = sorted(attempt.seconds for attempt in attempts if attempt.status == 200)
    return Measured(
        rate=len(good) / seconds,
        refused=len(attempts) - len(good),
        p50=good[len(good) // 2],
        p95=good[int(len(good) * 0.95)],
    )


def middle(rounds: list[Measured]) -> Measured:
    """The median of every figure."""
    return Measured(
        rate=median(r.rate for r in rounds),
        refused=sum(r.refused for r in rounds),
        p50=median(r.p50 for r in rounds),
        p95=median(r.p95 for r in rounds),
    )
