"""The queue of the work that runs by itself: procrastinate, in PostgreSQL, with no broker.

Only the owner writes it. Who could write it as app would choose what a process with the owner's
credentials does; so pages read the queue, and commands fill it.
"""

from collections.abc import Awaitable, Callable

from procrastinate import App, JobContext, RetryStrategy
from procrastinate.contrib.django.procrastinate_app import app as queue
from procrastinate.exceptions import AlreadyEnqueued

from apps.database.connection import acting_as
from apps.monitoring.running import run
from apps.monitoring.schedule import JOBS, Job

NAME = "holdfast"
TAKE_OVER = "take_over"
ATTEMPTS = 3
WAIT_SECONDS = 300
# What became of them stays in our own records.
KEPT_HOURS = 7 * 24


def register(app: App) -> None:
    """Give the queue its tasks and their schedule; procrastinate calls it when Django is ready."""
    for job in JOBS:
        task = app.task(
            name=job.name,
            queue=NAME,
            # One of a kind at a time, and one that waits.
            lock=job.name,
            queueing_lock=job.name,
            pass_context=True,
            retry=RetryStrategy(max_attempts=ATTEMPTS, linear_wait=WAIT_SECONDS),
        )(_task(job))
        if job.cron:
            app.periodic(cron=job.cron, periodic_id=job.name)(task)
    housekeeping = app.task(name=TAKE_OVER, queue=NAME, queueing_lock=TAKE_OVER, pass_context=True)(
        take_over
    )
    app.periodic(cron="* * * * *", periodic_id=TAKE_OVER)(housekeeping)


def _task(job: Job) -> Callable[..., Awaitable[str]]:
    async def work(context: JobContext, timestamp: int | None = None) -> str:
        """The job's command; `timestamp` says for which minute it was due, if for any."""
        return await run(job, context.job.id or 0, context.job.attempts)

    return work


async def take_over(context: JobContext, timestamp: int | None = None) -> int:
    """Put the jobs of workers that died back into the queue, and forget old ones; returns how many.

    A worker that gave no sign for 30 seconds has died.
    """
    manager = context.app.job_manager
    count = 0
    for job in await manager.get_stalled_jobs():
        await manager.retry_job(job)
        count += 1
    await manager.delete_old_jobs(nb_hours=KEPT_HOURS, include_failed=True)
    return count


def request(job: Job) -> int | None:
    """Put the job into the queue, as owner; returns its number, or None when one waits already."""
    with acting_as("owner"):
        try:
            return queue.configure_task(
                job.name, queue=NAME, lock=job.name, queueing_lock=job.name
            ).defer()
        except AlreadyEnqueued:
            return None
