"""The embedded PostgreSQL of this clone, for development."""

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import DEFAULT_DB_ALIAS

from apps.database.embedded import development_cluster
from apps.database.outlets import unredacted
from apps.database.server import Cluster, ServerError

ROLES = ("owner", "app", "auditor", "superuser")


class Command(BaseCommand):
    help = (
        "Starts, stops or describes the embedded PostgreSQL under var/. `url` prints an address "
        "with its password. Exit: 0 done; status: 0 running, 1 not."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("action", choices=("start", "stop", "status", "url"))
        parser.add_argument("--role", choices=ROLES, default="app")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            cluster = development_cluster()
        except ServerError as error:
            raise CommandError(str(error)) from None
        if not cluster.exists:
            raise CommandError("There is no embedded PostgreSQL yet; `make run` makes it.")
        try:
            getattr(self, f"_{options['action']}")(cluster, options["role"])
        except ServerError as error:
            raise CommandError(str(error)) from None

    def _start(self, cluster: Cluster, role: str) -> None:
        cluster.start()
        self.stdout.write(f"PostgreSQL {cluster.binaries.version()} runs in {cluster.folder}.")

    def _stop(self, cluster: Cluster, role: str) -> None:
        cluster.stop()
        self.stdout.write("PostgreSQL is stopped.")

    def _status(self, cluster: Cluster, role: str) -> None:
        if not cluster.running:
            raise CommandError(f"PostgreSQL in {cluster.folder} is stopped.", returncode=1)
        self.stdout.write(f"PostgreSQL {cluster.binaries.version()} runs in {cluster.folder}.")

    def _url(self, cluster: Cluster, role: str) -> None:
        name = str(settings.DATABASES[DEFAULT_DB_ALIAS]["NAME"])
        if role == "superuser":
            self._tell(cluster.address(database=name))
            return
        entries = {"app": settings.DATABASES[DEFAULT_DB_ALIAS], **settings.DATABASE_ROLES}
        if role not in entries or entries[role]["HOST"] != str(cluster.socket_folder):
            raise CommandError(f"The address of {role} does not lead to the embedded PostgreSQL.")
        entry = entries[role]
        self._tell(cluster.address(str(entry["USER"]), str(entry["PASSWORD"]), name))

    def _tell(self, address: str) -> None:
        """Print an address with its password: the one answer that is meant to hold one."""
        OutputWrapper(unredacted(self.stdout._out)).write(address)
