"""Facts about the server's counters: whether they count, since when, and who else counts apart."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper

from apps.database.facts.questions import ask


@dataclass(frozen=True)
class Counters:
    """What the counters of this database can be trusted for.

    `seconds` is how long they have counted at least, None when that cannot be told. A replica
    counts its own queries only; `replicas` names those that may read here as well.
    """

    counting: bool
    on_replica: bool
    seconds: float | None
    replicas: tuple[str, ...]

    @property
    def days(self) -> float:
        return (self.seconds or 0.0) / 86400


def counters(cursor: CursorWrapper) -> Counters:
    """How far the counters can be trusted; everybody may ask."""
    ((counting, on_replica, seconds, replicas),) = ask(cursor, "counters")
    return Counters(counting, on_replica, seconds, tuple(replicas))


@dataclass(frozen=True)
class ScannedTable:
    """A large table that was read as a whole, so many times; `scans` may have read parts."""

    schema: str
    table: str
    rows: int
    readings: float
    scans: int
    index_scans: int

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}"


def scanned_tables(cursor: CursorWrapper, rows: int, readings: float) -> list[ScannedTable]:
    """Tables of at least so many rows that were read so many times by sequential scans."""
    found = ask(cursor, "our_table", "scanned_tables", parameters=[rows, readings])
    return [ScannedTable(*row) for row in found]
