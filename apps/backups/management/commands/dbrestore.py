"""django-dbbackup's dbrestore, refused where it could overwrite a production database."""

from contextlib import closing
from typing import Any

from dbbackup.management.commands import dbrestore as library
from django.conf import settings
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections

from apps.backups.library import CompleteBackups
from apps.database.connection import acting_as
from apps.database.roles import configured_roles, grant_tables


class Command(library.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError(
                "dbrestore overwrites the database in place and is refused in production; prove "
                "the backup with `manage.py verify_backup NAME`, then use `manage.py "
                "restore_backup NAME --into DATABASE`."
            )
        with acting_as("owner"), closing(CompleteBackups()) as self._complete:
            super().handle(*args, **options)
            self._grant()

    def _grant(self) -> None:
        """Tables made anew have more privileges than theirs: the defaults of the schema too."""
        try:
            roles = configured_roles()
        except LookupError:
            return
        grant_tables(connections[DEFAULT_DB_ALIAS], roles.app.name, roles.auditor.name)

    def _get_backup_file(self, database: Any = None, servername: Any = None) -> Any:
        self.storage = self._complete
        return super()._get_backup_file(database, servername)
