"""Runs the work that falls due by itself, until it is stopped."""

import argparse
import asyncio
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from procrastinate import PsycopgConnector
from procrastinate.contrib.django import app as queue
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException

from apps.database.connection import acting_as
from apps.database.direct import require_direct
from apps.database.redaction import redact
from apps.monitoring.worker import work

CONNECTIONS = 4


class Command(BaseCommand):
    help = (
        "Runs the jobs of the schedule and those on request, as owner, over a direct address, and "
        "waits outages of the database out. Several workers share the work. Exit: 0 stopped, 1 the "
        "database cannot be reached when it begins."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="Do what waits, then stop.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with acting_as("owner"):
                require_direct(connection)
                address = connector_params()
            connector = PsycopgConnector(kwargs=address, min_size=1, max_size=CONNECTIONS)
            with queue.replace_connector(connector) as app:
                asyncio.run(work(app, wait=not options["once"]))
        except (DatabaseError, ConnectorException, psycopg.Error) as error:
            said = str(error.__cause__ or error).strip() or type(error).__name__
            raise CommandError(redact(said.splitlines()[0])) from None
