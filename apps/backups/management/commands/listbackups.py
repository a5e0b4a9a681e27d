"""django-dbbackup's listbackups, without what is no backup: a failed dump has no sidecar."""

from typing import Any

from dbbackup.management.commands import listbackups as library

from apps.backups.library import CompleteBackups


class Command(library.Command):
    help = "Lists the complete backups, and media archives. Exit: 0."

    def get_backup_attrs(self, options: Any) -> Any:
        self.storage = CompleteBackups()
        return super().get_backup_attrs(options)
