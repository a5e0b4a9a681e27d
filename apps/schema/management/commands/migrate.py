"""Django's migrate, as the owner role, with the other roles' privileges given afterwards."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections

from apps.database.connection import acting_as
from apps.database.direct import require_direct
from apps.database.redaction import redact
from apps.database.roles import grant_tables, role_names


class Command(migrate.Command):
    help = "Updates the schema as the owner role, then grants app and auditor their privileges."

    def check(self, *args: Any, **options: Any) -> None:
        """The system checks, which look at the database as the owner does: app may come later."""
        with acting_as("owner"):
            for alias in options.get("databases") or ():
                self._refuse_pooler(alias)
            super().check(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as("owner"):
            self._refuse_pooler(options["database"])
            super().handle(*args, **options)
            if not (options["plan"] or options["check_unapplied"]):
                self._grant(options["database"])

    def _refuse_pooler(self, alias: str) -> None:
        try:
            require_direct(connections[alias])
        except OperationalError as error:
            reason = redact(str(error).strip().splitlines()[0])
            raise CommandError(f"Nothing was migrated: {reason}") from None

    def _grant(self, alias: str) -> None:
        """Give the privileges where the three roles exist apart."""
        if alias != DEFAULT_DB_ALIAS or not {"owner", "auditor"} <= set(settings.DATABASE_ROLES):
            return
        app = settings.DATABASES[DEFAULT_DB_ALIAS]["USER"]
        auditor = settings.DATABASE_ROLES["auditor"]["USER"]
        connection = connections[DEFAULT_DB_ALIAS]
        present = role_names(connection, [app, auditor])
        missing = {app, auditor} - present
        if missing:
            self.stderr.write(
                f"No privileges were given: {', '.join(sorted(missing))} is no role of this "
                "server. Create the roles: manage.py provision_roles --commit"
            )
        elif app != connection.settings_dict["USER"]:
            grant_tables(connection, app, auditor)
