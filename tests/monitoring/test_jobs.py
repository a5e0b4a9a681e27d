"""The work that runs by itself: asked for, done once, written down, and refused to app."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from apps.monitoring.models import JobRun
from apps.monitoring.queue import queue
from apps.monitoring.schedule import JOBS, Job, job_named
from apps.monitoring.status import JobStatus, due_at
from config.env import ConfigurationError, Environment
from config.variables import SCHEDULED
from tests.monitoring.queued import DATABASE, queued
from tests.schema.world import World

QUEUED = "SELECT task_name, status::text, attempts FROM procrastinate_jobs ORDER BY id"
RUNS = "SELECT job, attempt, exit_code, said FROM monitoring_jobrun ORDER BY started_at"
WORKERS = "SELECT 1 FROM procrastinate_workers"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with queued(tmp_path_factory.mktemp("jobs")) as world:
        yield world


def manage(made: World, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return made.run(DATABASE, *arguments, **variables)


def test_what_falls_due_is_declared_once() -> None:
    names = {job.name for job in JOBS}
    assert {name for name, *_ in SCHEDULED} == names - {"rehearse"}
    assert names < set(queue.tasks)


def test_a_job_is_asked_for_once_done_and_written_down(made: World) -> None:
    first, second = (
        manage(made, "jobs", "--request", "backup"),
        manage(made, "jobs", "--request", "backup"),
    )
    assert "backup is number " in first.stdout, first.stdout + first.stderr
    assert second.stdout == "backup waits in the queue already.\n"
    worked = manage(made, "work", "--once")
    assert worked.returncode == 0, worked.stdout + worked.stderr
    assert ("backup", "succeeded", 1) in made.sql(DATABASE, QUEUED)
    (run,) = [row for row in made.sql(DATABASE, RUNS) if row[0] == "backup"]
    assert run[1:3] == (0, 0)
    assert any(Path(made.variables["BACKUP_DIR"]).iterdir())
    told = json.loads(manage(made, "jobs", "--format", "json").stdout)["jobs"]
    assert [job["name"] for job in told] == [job.name for job in JOBS]
    (backup,) = [job for job in told if job["name"] == "backup"]
    assert (backup["state"], backup["exit_code"], backup["command"]) == (
        "done",
        0,
        "dbbackup --quiet",
    )


def test_a_job_that_fails_says_so_and_waits_to_be_tried_again(made: World) -> None:
    # A file stands where the folder of the backups should be.
    broken = {"BACKUP_DIR": str(Path(__file__))}
    manage(made, "jobs", "--request", "backup")
    worked = manage(made, "work", "--once", **broken)
    assert worked.returncode == 0, worked.stdout + worked.stderr
    assert ("backup", "todo", 1) in made.sql(DATABASE, QUEUED)
    failed = [row for row in made.sql(DATABASE, RUNS) if row[0] == "backup" and row[2] != 0]
    assert len(failed) == 1
    assert failed[0][3]
    listed = manage(made, "jobs")
    assert listed.returncode == 1
    assert "The last run failed: backup" in listed.stderr
    assert "Traceback" not in listed.stderr + str(failed[0][3])


def test_app_can_neither_fill_the_queue_nor_change_what_was_written_down(made: World) -> None:
    with made.connect(DATABASE, "app") as app:
        assert app.execute("SELECT count(*) FROM procrastinate_jobs").fetchone() is not None
        for statement in (
            "INSERT INTO procrastinate_jobs (task_name, args) VALUES ('assess', '{}')",
            "UPDATE procrastinate_jobs SET status = 'todo'",
            "UPDATE monitoring_jobrun SET exit_code = 0",
            "DELETE FROM procrastinate_events",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(statement.encode())


def test_a_worker_that_is_told_to_stop_ends_by_itself(made: World) -> None:
    worker = made.start(DATABASE, "work")
    try:
        deadline = time.monotonic() + 30
        while not made.sql(DATABASE, WORKERS):
            assert time.monotonic() < deadline
            assert worker.poll() is None, worker.communicate()[0]
            time.sleep(0.1)
        worker.send_signal(signal.SIGTERM)
        said, _ = worker.communicate(timeout=30)
    finally:
        worker.kill()
        worker.wait()
    assert worker.returncode == 0, said
    assert made.sql(DATABASE, WORKERS) == []


@pytest.mark.parametrize("command", [("work", "--once"), ("jobs",)])
def test_without_a_database_there_is_one_sentence(made: World, command: tuple[str, ...]) -> None:
    nowhere = "postgresql://nobody:plain-password@127.0.0.1:1/nothing"
    answer = manage(
        made,
        *command,
        DATABASE_URL=nowhere,
        DATABASE_OWNER_URL=nowhere,
        DATABASE_AUDITOR_URL=nowhere,
    )
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    assert "plain-password" not in answer.stderr


def test_an_unknown_job_is_named_with_those_that_there_are(made: World) -> None:
    answer = manage(made, "jobs", "--request", "asess")
    assert answer.returncode == 1
    assert "There is no job 'asess'; there are assess, backup, verify, copy, prune, reh" in (
        answer.stderr
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [("off", None), ("7 * * * *", "7 * * * *"), (" 0 3 * * 1 ", "0 3 * * 1")],
)
def test_a_schedule_is_five_fields_or_off(given: str, expected: str | None) -> None:
    assert Environment({"JOB_ASSESS": given}).cron("JOB_ASSESS") == expected


@pytest.mark.parametrize("given", ["hourly", "61 * * * *", "* * * *", "* * * * * *", "@daily"])
def test_a_schedule_that_is_none_stops_the_start(given: str) -> None:
    with pytest.raises(ConfigurationError, match="JOB_ASSESS is .*; expected five fields of cron"):
        Environment({"JOB_ASSESS": given}).cron("JOB_ASSESS")


def test_a_job_falls_due_when_its_schedule_says() -> None:
    due = due_at(job_named("backup"))
    assert due is not None
    assert due > datetime.now(UTC)
    assert (due.hour, due.minute) == (1, 10)
    assert due_at(job_named("rehearse")) is None
    assert due_at(job_named("copy")) is None


@pytest.mark.parametrize(
    ("exit_code", "answers", "expected"),
    [(0, (0,), "done"), (1, (0,), "failed"), (1, (0, 1), "done"), (None, (0,), "failed")],
)
def test_an_exit_code_is_a_failure_only_where_it_is_no_answer(
    exit_code: int | None, answers: tuple[int, ...], expected: str
) -> None:
    now = datetime.now(UTC)
    run = JobRun(job="x", queue_id=1, attempt=0, started_at=now, finished_at=now)
    run.exit_code = exit_code
    assert JobStatus(Job("x", "", ("x",), 1, answers), run, None).state == expected
