"""More requests than connections: a bounded wait, then 503, then service as before; no leak."""

import http.client
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg.sql import SQL, Literal

from drills.outages import MODES, Attempt, Site, ask, site
from drills.test_outages import can_have_a_world_of_its_own
from tests.programs import require, require_program

POOL = 5
OVERLAPPING = 200
WAIT_SECONDS = 3


@contextmanager
def running(mode: str, **variables: str) -> Iterator[Site]:
    require(can_have_a_world_of_its_own(), "root and mount namespaces (unshare)")
    if mode == "pgbouncer":
        require_program("pgbouncer", "pgbouncer")
    small = {"DATABASE_POOL_SIZE": str(POOL), "DATABASE_POOL_MAX_OVERFLOW": "0"}
    with tempfile.TemporaryDirectory(prefix="holdfast-drill-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        with site(
            mode, Path(folder), bouncer_size=POOL, WEB_CONCURRENCY="1", **small, **variables
        ) as made:
            yield made


class Watch:
    """How many sessions the app role has on the server, as often as it can be asked."""

    def __init__(self, made: Site) -> None:
        self._made = made
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.peak = self.now = 0

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        with self._made.cluster.connect() as admin:
            while not self._stop.wait(0.002):
                row = admin.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE usename = %s",
                    [self._made.roles.app.name],
                ).fetchone()
                self.now = row[0] if row else 0
                self.peak = max(self.peak, self.now)


def ask_together(made: Site, path: str, count: int) -> list[Attempt]:
    """So many requests at once."""
    with ThreadPoolExecutor(count) as clients:
        return list(clients.map(lambda _: ask(made, "GET", path), range(count)))


def test_two_hundred_requests_share_five_connections(report: list[str]) -> None:
    # What is drilled is the pool, not its patience: a busy machine may take longer than 3 s.
    with running("native-asgi", DATABASE_POOL_TIMEOUT="15") as made, Watch(made) as watch:
        started = time.monotonic()
        answers = ask_together(made, "/hold/50/", OVERLAPPING)
        seconds = time.monotonic() - started
        assert Counter(answer.status for answer in answers) == {200: OVERLAPPING}
        assert watch.peak == POOL
        again = ask_together(made, "/hold/50/", OVERLAPPING)
        assert Counter(answer.status for answer in again) == {200: OVERLAPPING}
        assert watch.peak == POOL
    report.append(
        f"{OVERLAPPING} overlapping requests, 50 ms each, on a pool of {POOL}: "
        f"{seconds:.2f} s (at best {OVERLAPPING * 0.05 / POOL:.2f} s), peak {watch.peak}"
    )


def test_a_cancelled_request_gives_its_connection_back() -> None:
    with running("native-asgi") as made, Watch(made) as watch:
        given_up = []
        for _ in range(POOL):
            connection = http.client.HTTPConnection("127.0.0.1", made.web_port)
            connection.request("GET", "/hold/1000/")
            given_up.append(connection)
        deadline = time.monotonic() + 10
        while _working(made) < POOL:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for connection in given_up:
            connection.close()
        answers = ask_together(made, "/hold/50/", POOL * 4)
        assert Counter(answer.status for answer in answers) == {200: POOL * 4}
        assert watch.peak == POOL


def _working(made: Site) -> int:
    with made.cluster.connect() as admin:
        row = admin.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND state = 'active'",
            [made.roles.app.name],
        ).fetchone()
    return row[0] if row else 0


def limit_connections(made: Site, count: int) -> None:
    with made.cluster.connect() as admin:
        admin.execute(SQL("ALTER ROLE service_app CONNECTION LIMIT {}").format(Literal(count)))


@pytest.mark.parametrize("mode", MODES)
def test_too_many_requests_wait_a_little_and_are_refused_politely(
    mode: str, report: list[str]
) -> None:
    # A thread for every request: what is measured is the wait for a connection.
    with running(mode, WEB_THREADS=str(POOL * 6)) as made:
        # Without a pool the server is what runs out, for as long as others take its connections.
        limit_connections(made, POOL if mode == "persistent" else -1)
        with Watch(made) as watch:
            crowd = ask_together(made, "/hold/1500/", POOL * 6)
            peak = watch.peak
            limit_connections(made, -1)
            counts = Counter(answer.status for answer in crowd)
            longest = max(answer.seconds for answer in crowd)
            after = ask(made, "GET", "/hold/10/")
            # Persistent connections stay with their threads: one more for the thread that asked.
            idle_level = POOL + (mode == "persistent")
            deadline = time.monotonic() + 10
            while watch.now > idle_level:
                assert time.monotonic() < deadline, "connections leaked"
                time.sleep(0.05)
        report.append(
            f"exhaustion, {mode}: {dict(counts)}, longest {longest:.2f} s, peak {peak}, "
            f"afterwards {after.status} in {after.seconds:.2f} s with {watch.now} sessions"
        )
        assert set(counts) == {200, 503}
        assert counts[200] >= POOL
        assert all(answer.retry_after for answer in crowd if answer.status == 503)
        assert {a.content_type for a in crowd if a.status == 503} == {"application/problem+json"}
        assert longest < WAIT_SECONDS + 1.5 + 1.5
        # PgBouncer replaces a session whose client has gone before that session's query ends.
        assert peak <= (2 * POOL if mode == "pgbouncer" else POOL)
        assert (after.status, after.seconds < 1) == (200, True)
