"""Which backups are kept: all of the last days, then the newest of a day, a week, a month."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from apps.backups.catalogue import Backup, read_catalogue, remove_files
from apps.backups.records import forget_backup

PERIODS: tuple[tuple[str, str, Callable[[datetime], Hashable]], ...] = (
    ("DAILY", "day", lambda moment: moment.date()),
    ("WEEKLY", "week", lambda moment: moment.isocalendar()[:2]),
    ("MONTHLY", "month", lambda moment: (moment.year, moment.month)),
)


@dataclass(frozen=True)
class Decision:
    """What becomes of a backup; `reasons` are why it is kept, none when it is to go."""

    backup: Backup
    reasons: tuple[str, ...]

    @property
    def kept(self) -> bool:
        return bool(self.reasons)


def decide(
    found: Iterable[Backup], proven: set[str], keep: Mapping[str, int], now: datetime
) -> list[Decision]:
    """A decision about each backup of one database, newest first.

    `proven` names those that were restored successfully. The newest whole backup and the newest
    proven one are kept whatever their age.
    """
    newest_first = sorted(found, key=lambda b: (b.finished_at, b.name), reverse=True)
    reasons: dict[str, list[str]] = {backup.name: [] for backup in newest_first}
    whole = [backup for backup in newest_first if not backup.partial]
    for backup in newest_first:
        if now - backup.finished_at <= timedelta(days=keep["DAYS"]):
            reasons[backup.name].append(f"younger than {keep['DAYS']} days")
    for variable, word, period in PERIODS:
        for backup in _newest_of_each(whole, period)[: keep[variable]]:
            reasons[backup.name].append(f"newest of its {word}")
    for backup in whole[:1]:
        reasons[backup.name].append("the newest")
    for backup in [backup for backup in whole if backup.name in proven][:1]:
        reasons[backup.name].append("the newest proven")
    return [Decision(backup, tuple(reasons[backup.name])) for backup in newest_first]


def _newest_of_each(
    newest_first: list[Backup], period: Callable[[datetime], Hashable]
) -> list[Backup]:
    """The newest backup of each period, newest period first."""
    first: dict[Hashable, Backup] = {}
    for backup in newest_first:
        first.setdefault(period(backup.finished_at), backup)
    return list(first.values())


def decisions(database: str) -> list[Decision]:
    """What the policy of the settings says about every backup of exactly this database."""
    catalogue = read_catalogue()
    found = [backup for backup in catalogue.backups if backup.database == database]
    proven = {v.name for v in catalogue.verifications if v.proven}
    return decide(found, proven, settings.BACKUP_KEEP, timezone.now())


def prune(database: str) -> list[Decision]:
    """Delete what is not kept, file and row, each by its exact name; returns all decisions."""
    made = decisions(database)
    for decision in made:
        if not decision.kept:
            remove_files(decision.backup.name)
            forget_backup(decision.backup.name)
    return made
