"""django-dbbackup's storage, which sees complete backups only."""

from typing import Any

from dbbackup.storage import Storage

from apps.backups.catalogue import backups, remove_files
from apps.backups.records import forget_backup


class CompleteBackups(Storage):
    """Lists what has a sidecar, and media archives; removes a backup with all that is beside it."""

    def list_backups(self, **filters: Any) -> list[str]:
        complete = {backup.name for backup in backups()}
        # Media archives are the library's alone and have no sidecar.
        return [
            name for name in super().list_backups(**filters) if name in complete or ".tar" in name
        ]

    def list_directory(self, path: str = "") -> list[str]:
        """Nothing before the first backup, which makes the folder."""
        try:
            return list(super().list_directory(path))
        except FileNotFoundError:
            return []

    def read_file(self, filepath: str) -> Any:
        """The library leaves open what it reads."""
        self._read = [*getattr(self, "_read", []), super().read_file(filepath)]
        return self._read[-1]

    def close(self) -> None:
        for file in getattr(self, "_read", []):
            file.close()

    def delete_file(self, filepath: str) -> None:
        if filepath in {backup.name for backup in backups()}:
            remove_files(filepath)
            forget_backup(filepath)
        else:
            super().delete_file(filepath)
