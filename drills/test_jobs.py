"""Workers share the work, take over from one that is killed, and outlive an outage."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.monitoring.queued import DATABASE, queued
from tests.schema.world import World

WORKERS = "SELECT 1 FROM procrastinate_workers"
JOBS = (
    "SELECT task_name, status::text, attempts FROM procrastinate_jobs"
    " WHERE task_name <> 'take_over' ORDER BY id"
)
RUNS = (
    "SELECT queue_id, job, attempt, finished_at IS NOT NULL, exit_code FROM monitoring_jobrun"
    " ORDER BY started_at"
)
# A worker counts as dead after 30 seconds without a sign; who looks does so every minute.
TAKEN_OVER_SECONDS = 150


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with queued(tmp_path_factory.mktemp("jobs")) as world:
        yield world


@pytest.fixture
def workers(made: World) -> Iterator[list[subprocess.Popen[str]]]:
    started = [made.start(DATABASE, "work") for _ in range(2)]
    try:
        wait_for(lambda: len(made.sql(DATABASE, WORKERS)) == 2, 60)
        yield started
    finally:
        for worker in started:
            worker.terminate()
        for worker in started:
            worker.communicate(timeout=60)


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.2)


def request(made: World, job: str) -> None:
    asked = made.run(DATABASE, "jobs", "--request", job)
    assert asked.returncode == 0, asked.stdout + asked.stderr


def children_of(worker: subprocess.Popen[str]) -> list[str]:
    return Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()


def test_a_killed_workers_job_is_done_by_the_other(
    made: World, workers: list[subprocess.Popen[str]], report: list[str]
) -> None:
    with made.connect(DATABASE) as blocker, blocker.transaction():
        # The backup cannot end while somebody holds a table.
        blocker.execute("LOCK TABLE risks_risk IN ACCESS EXCLUSIVE MODE")
        request(made, "backup")
        wait_for(lambda: any(map(children_of, workers)), 60)
        (in_hand,) = filter(children_of, workers)
        begun = [Path("/proc") / child for child in children_of(in_hand)]
        killed_at = time.monotonic()
        in_hand.send_signal(signal.SIGKILL)
        in_hand.wait()
        # What it had begun ends with it, or it would run beside its second try.
        wait_for(lambda: not any(child.exists() for child in begun), 30)
    wait_for(lambda: made.sql(DATABASE, JOBS)[0][1] == "succeeded", TAKEN_OVER_SECONDS)
    taken_over = time.monotonic() - killed_at
    first, second = made.sql(DATABASE, RUNS)
    assert first[1:] == ("backup", 0, False, None)
    assert second[1:] == ("backup", 1, True, 0)
    assert first[0] == second[0]
    report.append(
        f"a killed worker's backup: run 1 without an end, run 2 by the other worker with exit 0, "
        f"{taken_over:.0f} s after the kill; the queue's row: {made.sql(DATABASE, JOBS)[0]}"
    )


def test_two_workers_do_every_job_once(made: World, workers: list[subprocess.Popen[str]]) -> None:
    before = len(made.sql(DATABASE, RUNS))
    wanted = ("assess", "backup", "prune", "verify")
    for name in wanted:
        request(made, name)

    def new() -> list[tuple[object, ...]]:
        return list(made.sql(DATABASE, RUNS))[before:]

    wait_for(lambda: len(new()) >= len(wanted) and all(row[3] for row in new()), 120)
    # Longer than a worker waits before it looks again.
    time.sleep(6)
    assert sorted(str(row[1]) for row in new()) == sorted(wanted)


def test_workers_outlive_an_outage_of_the_database(
    made: World, workers: list[subprocess.Popen[str]], report: list[str]
) -> None:
    made.cluster.stop("immediate")
    time.sleep(8)
    assert all(worker.poll() is None for worker in workers)
    made.cluster.start()
    started = time.monotonic()
    before = len(made.sql(DATABASE, RUNS))
    request(made, "prune")
    wait_for(lambda: [row[4] for row in made.sql(DATABASE, RUNS)[before:]] == [0], 90)
    assert all(worker.poll() is None for worker in workers)
    report.append(f"workers after an outage: a job done {time.monotonic() - started:.1f} s later")
