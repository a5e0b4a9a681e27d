"""Creates or repairs the three roles."""

import argparse
from contextlib import closing
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS

from apps.database.connection import role_entry, role_is_configured
from apps.database.postgresql.bounded import BoundedConnection
from apps.database.redaction import redact
from apps.database.roles import configured_roles, plan, provision
from config.database import TLS_OPTIONS


class Command(BaseCommand):
    help = (
        "Creates or repairs the roles owner, app and auditor, and the database, as "
        "DATABASE_ADMIN_URL. Pretends unless given --commit. Exit: 0 done or shown, 1 refused."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--commit", action="store_true", help="Carry the statements out.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not role_is_configured("admin"):
            raise CommandError(
                "DATABASE_ADMIN_URL is not set; expected the address of a role that may create "
                "roles and databases."
            )
        try:
            roles = configured_roles()
            with closing(_admin_connection()) as admin:
                database = str(settings.DATABASES[DEFAULT_DB_ALIAS]["NAME"])
                steps = (provision if options["commit"] else plan)(admin, database, roles)
                for step in steps:
                    self.stdout.write(f"{step.shown(admin)};")
        except (LookupError, psycopg.Error) as error:
            raise CommandError(redact(str(error).strip().splitlines()[0])) from None
        if options["commit"]:
            self.stdout.write(self.style.SUCCESS("Done."))
        else:
            self.stdout.write("Nothing was changed. To carry it out, add --commit.")


def _admin_connection() -> psycopg.Connection:
    entry = role_entry("admin")
    tls = {name: entry["OPTIONS"][name] for name in TLS_OPTIONS if name in entry["OPTIONS"]}
    return BoundedConnection.connect(
        host=entry["HOST"],
        port=entry["PORT"] or None,
        dbname=entry["NAME"] or "postgres",
        user=entry["USER"],
        password=entry["PASSWORD"],
        connect_timeout=entry["OPTIONS"]["connect_timeout"],
        autocommit=True,
        **tls,
    )
