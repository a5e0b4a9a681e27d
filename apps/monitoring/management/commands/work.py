"""Runs the work that falls due by itself, until it is stopped."""

import argparse
import asyncio
import logging
import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from procrastinate import App, PsycopgConnector
from procrastinate.contrib.django import app as queue
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException

from apps.database.connection import acting_as
from apps.database.direct import require_direct
from apps.database.redaction import redact
from apps.monitoring.queue import NAME

PATIENCE_SECONDS = 5
# A job that runs when the worker is told to stop may end by itself within this.
GRACE_SECONDS = 60
CONNECTIONS = 4
log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Runs the jobs of the schedule and those on request, as owner, over a direct address. "
        "Several workers share the work. Exit: 0 stopped, 1 the database cannot be reached."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="Do what waits, then stop.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with acting_as("owner"):
                require_direct(connection)
                address = connector_params()
        except DatabaseError as error:
            raise CommandError(redact(str(error).splitlines()[0])) from None
        # Two at a time: an assessment does not wait for a long backup.
        connector = PsycopgConnector(kwargs=address, min_size=1, max_size=CONNECTIONS)
        with queue.replace_connector(connector) as app:
            asyncio.run(_work(app, wait=not options["once"]))


async def _work(app: App, *, wait: bool) -> None:
    """Work until told to stop; an outage of the database is waited out."""
    while True:
        try:
            async with app.open_async():
                await app.run_worker_async(
                    queues=[NAME],
                    name=socket.gethostname(),
                    concurrency=2,
                    wait=wait,
                    shutdown_graceful_timeout=GRACE_SECONDS,
                )
        except (ConnectorException, ExceptionGroup) as error:
            log.warning("The queue cannot be reached: %s", error)
            await asyncio.sleep(PATIENCE_SECONDS)
        else:
            return
