"""Two workers share the work; one is killed with a job in hand, and the other takes it over."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL

from apps.database.embedded import scratch_cluster
from apps.database.roles import provision
from apps.database.server import free_port
from tests import environment
from tests.monitoring.service import Service, service

JOBS = SQL(
    "SELECT id, task_name, status::text, attempts FROM procrastinate_jobs"
    " WHERE task_name <> 'take_over' ORDER BY id"
)
RUNS = SQL(
    "SELECT queue_id, job, attempt, finished_at IS NOT NULL, exit_code FROM monitoring_jobrun"
    " ORDER BY started_at"
)
# A worker counts as dead after 30 seconds without a sign; who looks does so every minute.
TAKEN_OVER_SECONDS = 150


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with scratch_cluster(port=free_port()) as cluster:
        with cluster.connect() as admin:
            provision(admin, environment.DATABASE, environment.roles)
        with service(cluster, "drilled_jobs", tmp_path_factory.mktemp("jobs")) as running:
            running.variables.update(
                {f"JOB_{name}": "off" for name in ("ASSESS", "BACKUP", "VERIFY", "COPY", "PRUNE")}
            )
            yield running


@pytest.fixture
def workers(made: Service) -> Iterator[list[subprocess.Popen[str]]]:
    started = [made.start("work") for _ in range(2)]
    try:
        wait_for(lambda: len(made.rows(SQL("SELECT 1 FROM procrastinate_workers"))) == 2, 60)
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


def backups_running() -> list[int]:
    """The processes that make a backup now."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"dbbackup" in words:
            found.append(int(process.name))
    return found


def test_a_killed_workers_job_is_done_by_the_other_and_no_job_twice(
    made: Service, workers: list[subprocess.Popen[str]], report: list[str]
) -> None:
    with psycopg.connect(made.cluster.address(database=made.name)) as blocker:
        # The backup cannot end while somebody holds a table.
        blocker.execute("LOCK TABLE risks_risk IN ACCESS EXCLUSIVE MODE")
        before = set(backups_running())
        asked = made.manage("jobs", "--request", "backup")
        assert asked.returncode == 0, asked.stdout + asked.stderr
        wait_for(lambda: len(made.rows(RUNS)) == 1, 60)
        wait_for(lambda: bool(set(backups_running()) - before), 60)
        (owner,) = made.rows(
            SQL("SELECT worker_id FROM procrastinate_jobs WHERE task_name = 'backup'")
        )
        in_hand = worker_of(made, workers, set(backups_running()) - before)
        killed_at = time.monotonic()
        in_hand.send_signal(signal.SIGKILL)
        in_hand.wait()
        # What it had begun ends with it, or it would run beside its second try.
        wait_for(lambda: not set(backups_running()) - before, 30)
    wait_for(lambda: made.rows(JOBS)[0][2] == "succeeded", TAKEN_OVER_SECONDS)
    taken_over = time.monotonic() - killed_at
    first, second = made.rows(RUNS)
    assert first[1:] == ("backup", 0, False, None)
    assert second[1:] == ("backup", 1, True, 0)
    assert first[0] == second[0]
    assert owner is not None
    report.append(
        f"a killed worker's backup: run 1 without an end, run 2 by the other worker with exit 0, "
        f"{taken_over:.0f} s after the kill; the queue's row: {made.rows(JOBS)[0][1:]}"
    )


def worker_of(
    made: Service, workers: list[subprocess.Popen[str]], processes: set[int]
) -> subprocess.Popen[str]:
    """The worker whose child the backup is."""
    parents = {
        int((Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[1])
        for process in processes
    }
    (found,) = [worker for worker in workers if worker.pid in parents]
    return found


def test_two_workers_do_every_job_once(made: Service, workers: list[subprocess.Popen[str]]) -> None:
    before = len(made.rows(RUNS))
    wanted = ("assess", "backup", "prune", "verify")
    for name in wanted:
        made.manage("jobs", "--request", name)
    wait_for(
        lambda: (
            all(row[3] for row in made.rows(RUNS)[before:])
            and len(made.rows(RUNS)) == before + len(wanted)
        ),
        120,
    )
    assert sorted(str(row[1]) for row in made.rows(RUNS)[before:]) == sorted(wanted)
    time.sleep(6)
    assert len(made.rows(RUNS)) == before + len(wanted)
