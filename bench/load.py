"""Requests as fast as clients can ask, and how long each took."""

import threading
import time
from dataclasses import dataclass
from statistics import median

from drills.outages import Site, ask

CLIENTS = 24


@dataclass(frozen=True)
class Measured:
    """One round: good answers in a second, others, and seconds of waiting by quantile."""

    rate: float
    refused: int
    p50: float
    p95: float


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
