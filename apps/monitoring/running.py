"""Runs a job's command in a process of its own, bounded in time, and writes down how it ended."""

import asyncio
import ctypes
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process

from asgiref.sync import sync_to_async
from django.utils import timezone

from apps.database.connection import acting_as
from apps.database.redaction import redact
from apps.monitoring.models import JobRun
from apps.monitoring.schedule import Job
from config.env import BASE_DIR

# Time for a command that is told to stop to put things back.
GRACE_SECONDS = 20
_KEPT_CHARACTERS = 2000
_SET_PARENT_DEATH_SIGNAL = 1


class JobFailed(Exception):
    """A job's command broke, or took too long; the message is its last line, without secrets."""


async def run(job: Job, queue_id: int, attempt: int) -> str:
    """Run the command; returns its last line. Raises JobFailed.

    The record says that it began before it does, so that a worker's death leaves a trace.
    """
    record = await _begin(job, queue_id, attempt)
    try:
        code, said = await _command(job)
    except TimeoutError:
        await _end(record, None, f"stopped after {job.timeout_seconds} s")
        raise JobFailed(f"{job.name} was stopped after {job.timeout_seconds} s") from None
    except asyncio.CancelledError:
        await asyncio.shield(_end(record, None, "stopped with its worker"))
        raise
    await _end(record, code, said)
    if code not in job.answers:
        raise JobFailed(f"{job.name} ended with {code}: {said}")
    return said


async def _command(job: Job) -> tuple[int, str]:
    """The command's exit code and the last line that it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "manage.py",
        *job.arguments,
        cwd=BASE_DIR,
        stdout=PIPE,
        stderr=STDOUT,
        preexec_fn=_end_with_the_worker if sys.platform == "linux" else None,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), job.timeout_seconds)
    finally:
        await _stop(process)
    text = redact(output.decode(errors="replace")).strip()
    return process.returncode or 0, text.rpartition("\n")[2][-_KEPT_CHARACTERS:]


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _end_with_the_worker() -> None:
    """In the child: SIGTERM when the worker dies, or its command would run on beside its retry."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


@sync_to_async
def _begin(job: Job, queue_id: int, attempt: int) -> JobRun:
    with acting_as("owner"):
        return JobRun.objects.create(
            job=job.name, queue_id=queue_id, attempt=attempt, started_at=timezone.now()
        )


@sync_to_async
def _end(record: JobRun, code: int | None, said: str) -> None:
    record.finished_at, record.exit_code, record.said = timezone.now(), code, said
    with acting_as("owner"):
        record.save(update_fields=["finished_at", "exit_code", "said"])
