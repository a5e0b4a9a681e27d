"""Facts about WAL archiving, and whether data pages carry checksums."""

from dataclasses import dataclass
from datetime import datetime

from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True)
class Archiver:
    """How archiving goes; times are None before the first."""

    archived: int
    failed: int
    last_archived_at: datetime | None
    last_failed_at: datetime | None
    last_failed_wal: str | None

    @property
    def failing(self) -> bool:
        """Whether the last attempt was one that failed."""
        if self.last_failed_at is None:
            return False
        return self.last_archived_at is None or self.last_failed_at > self.last_archived_at


def archiver(cursor: CursorWrapper) -> Archiver:
    """The statistics since their last reset."""
    cursor.execute(
        """
        SELECT archived_count, failed_count, last_archived_time, last_failed_time, last_failed_wal
        FROM pg_catalog.pg_stat_archiver
        """
    )
    return Archiver(*cursor.fetchone())
