"""What counting costs: the same pages with the metrics' listeners and without them."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.load import beside, measure
from bench.workers import cpu_seconds
from drills.outages import Site, site

PATHS = {
    "search": "/search/?q=tls",
    "1 ms of database": "/hold/1/",
    "sign-in page": "/admin/login/",
}
WITHOUT = {"DJANGO_SETTINGS_MODULE": "drills.service.unmeasured_settings"}
# Many short rounds: whatever else the machine does meets all. Two services of each kind, because
# with one of each a page seemed to be faster with counting than without.
ROUNDS = 15
KINDS = (True, False, False, True)
SECONDS = 0.7
CLIENTS = 4


@dataclass
class Sum:
    """What all rounds of a page came to: good answers, and seconds of the processor."""

    answers: float = 0.0
    cpu: float = 0.0

    def add(self, made: Site, path: str) -> None:
        before = cpu_seconds(made)
        self.answers += measure(made, path, SECONDS, CLIENTS).rate * SECONDS
        self.cpu += cpu_seconds(made) - before

    @property
    def rate(self) -> float:
        return self.answers / (ROUNDS * SECONDS * KINDS.count(True))

    @property
    def cpu_each(self) -> float:
        """Milliseconds of the processor for each answer."""
        return self.cpu / self.answers * 1000


def run() -> Iterator[str]:
    """A line for each page: requests a second and processor time, and what counting costs."""
    sums = {(page, counts): Sum() for page in PATHS for counts in (True, False)}
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir="/tmp"))
        )
        folder.chmod(0o711)
        one = {"WEB_CONCURRENCY": "1", "WEB_THREADS": "8"}
        first = stack.enter_context(site("persistent", folder, **one))
        services = [(KINDS[0], first)]
        for number, counts in enumerate(KINDS[1:]):
            variables = one if counts else one | WITHOUT
            other = beside(first, f"service-{number}", "persistent", **variables)
            services.append((counts, stack.enter_context(other)))
        for page, path in PATHS.items():
            for _, made in services:
                measure(made, path, SECONDS, CLIENTS)
            for turn in range(ROUNDS):
                # Whoever comes first in a round does not come first in the next.
                for counts, made in services[:: -1 if turn % 2 else 1]:
                    sums[page, counts].add(made, path)
    yield (
        f"{CLIENTS} clients, two services of each kind, "
        f"{ROUNDS} interleaved rounds of {SECONDS:g} s"
    )
    yield ""
    yield "| page | requests/s with | without | cost | CPU a request with | without | cost |"
    yield "|---|---|---|---|---|---|---|"
    for page in PATHS:
        found, silently = sums[page, True], sums[page, False]
        yield (
            f"| {page} | {found.rate:.0f} | {silently.rate:.0f} "
            f"| {1 - found.rate / silently.rate:+.1%} | {found.cpu_each:.2f} ms "
            f"| {silently.cpu_each:.2f} ms | {found.cpu_each / silently.cpu_each - 1:+.1%} |"
        )
    yield ""
