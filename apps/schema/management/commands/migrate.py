"""Django's migrate, as the owner role and under guard."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.migration import Migration

from apps.database.connection import acting_as
from apps.database.direct import require_direct
from apps.database.redaction import redact
from apps.database.roles import grant_tables, role_names
from apps.schema.guard import Guard, Wishes, history_sentence
from apps.schema.records import NO_GRAPH


class Command(migrate.Command):
    help = (
        "Updates the schema as the owner role, one process at a time, then grants app and auditor "
        "their privileges. In production it backs up first and proves the backup. What destroys "
        "data needs --allow-destructive. Exit: 0 done, 1 not, 130 interrupted."
    )
    guard: Guard | None = None

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        for name, default, what in (
            ("--lock-wait", 600, "How long to wait for another migrate."),
            ("--lock-timeout", 5, "How long one attempt waits for a lock on a table."),
            ("--statement-timeout", 3600, "How long one statement may take."),
        ):
            parser.add_argument(name, default=default, type=float, metavar="SECONDS", help=what)
        parser.add_argument("--lock-retries", default=5, type=int, help="Attempts after that.")
        parser.add_argument("--allow-destructive", action="store_true", help="Data may be lost.")
        parser.add_argument("--no-backup", default="", metavar="REASON", help="Recorded.")

    def check(self, *args: Any, **options: Any) -> None:
        """The system checks, which look at the database as the owner does: app may come later."""
        with acting_as("owner"):
            for alias in options.get("databases") or ():
                self._refuse_pooler(alias)
            super().check(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        alias = options["database"]
        with acting_as("owner"):
            self._refuse_pooler(alias)
            if options["plan"] or options["check_unapplied"]:
                self._migrate(*args, **options)
                return
            self.guard = Guard(self._wishes(options), self.stderr.write)
            self.guard.run(lambda: self._migrate(*args, **options))
            self._grant(alias)

    def _wishes(self, options: dict[str, Any]) -> Wishes:
        # Commands are called by programs too, with some of the options only.
        known = ("lock_wait", "lock_timeout", "lock_retries", "statement_timeout")
        chosen = {name: options[name] for name in known if name in options}
        return Wishes(
            alias=options["database"],
            allow_destructive=options.get("allow_destructive", False),
            no_backup=options.get("no_backup", "").strip(),
            fake=options["fake"],
            **chosen,
        )

    def _migrate(self, *args: Any, **options: Any) -> None:
        try:
            super().handle(*args, **options)
        except (*NO_GRAPH, InconsistentMigrationHistory) as error:
            if self.guard is not None:
                raise
            raise CommandError(history_sentence(error)) from None

    def migration_progress_callback(
        self, action: str, migration: Migration | None = None, fake: bool = False
    ) -> None:
        if self.guard is not None:
            self.guard.note(action, migration)
        super().migration_progress_callback(action, migration, fake)

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
