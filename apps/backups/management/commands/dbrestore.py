"""django-dbbackup's dbrestore, refused where it could overwrite a production database."""

from typing import Any

from dbbackup.management.commands import dbrestore as library
from django.conf import settings
from django.core.management.base import CommandError

from apps.backups.library import CompleteBackups
from apps.database.connection import acting_as


class Command(library.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError(
                "dbrestore overwrites the database in place and is refused in production; prove "
                "the backup with `manage.py verify_backup NAME`, then use `manage.py "
                "restore_backup NAME --into DATABASE`."
            )
        with acting_as("owner"):
            super().handle(*args, **options)

    def _get_backup_file(self, database: Any = None, servername: Any = None) -> Any:
        self.storage = CompleteBackups()
        return super()._get_backup_file(database, servername)
