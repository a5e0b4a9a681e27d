"""django-dbbackup's listbackups, without what is no backup: a failed dump has no sidecar."""

from typing import Any

from dbbackup.management.commands import listbackups as library

from apps.backups.catalogue import read_catalogue, unreadable_lines
from apps.backups.library import CompleteBackups


class Command(library.Command):
    help = (
        "Lists the complete backups, and media archives; names on standard error the sidecars "
        "that cannot be read. Exit: 0."
    )

    def get_backup_attrs(self, options: Any) -> Any:
        self.storage = CompleteBackups()
        for line in unreadable_lines(read_catalogue().unreadable):
            self.stderr.write(line)
        return super().get_backup_attrs(options)
