"""A worker of the queue that ends when it is told to, and by nothing else.

The library's own worker ends as if it had been told to when the database goes away, so another one
is begun in its place until the database answers again.
"""

import asyncio
import logging
import signal
import socket
from contextlib import suppress

import psycopg
from procrastinate import App
from procrastinate.exceptions import ConnectorException

from apps.monitoring.queue import NAME

PATIENCE_SECONDS = 5.0
# A job that runs when the worker is told to stop may end by itself within this.
GRACE_SECONDS = 60.0
# An assessment does not wait for a long backup.
AT_ONCE = 2
log = logging.getLogger(__name__)


async def work(app: App, *, wait: bool) -> None:
    """Do jobs until SIGTERM or SIGINT; without `wait` only those that are due now.

    Raises ConnectorException or psycopg.Error without `wait` when the queue cannot be reached.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    while True:
        try:
            await _until(stopping, app, wait=wait)
        except (ConnectorException, psycopg.Error) as error:
            if not wait:
                raise
            log.warning("The queue cannot be reached: %s", error.__cause__ or error)
        if stopping.is_set() or not wait:
            return
        log.warning("The worker begins anew: the library's has ended without being told to.")
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), PATIENCE_SECONDS)


async def _until(stopping: asyncio.Event, app: App, *, wait: bool) -> None:
    """Run the library's worker, until it ends or is told to stop and has ended what it does."""
    async with app.open_async():
        worker = asyncio.create_task(
            app.run_worker_async(
                queues=[NAME],
                name=socket.gethostname(),
                concurrency=AT_ONCE,
                wait=wait,
                shutdown_graceful_timeout=GRACE_SECONDS,
                install_signal_handlers=False,
            )
        )
        told = asyncio.create_task(stopping.wait())
        await asyncio.wait({worker, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not worker.done():
            worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker
