"""Estimates how much of large tables and indexes is empty, from what the planner knows of them.

Nothing is read of the tables themselves, and no size is asked for: pages and rows are those of the
last VACUUM or ANALYZE. What is estimated is the least that the rows need, so that what is reported
as empty is.
"""

import math
from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper

from apps.database.facts.questions import ask

PAGE_BYTES = 8192
# Of a page, of a row with its pointer, and of an index's entry with its pointer.
_PAGE_HEADER, _ROW_HEADER, _ENTRY_HEADER, _POINTER = 24, 23, 8, 4
_ALIGNMENT = {"c": 1, "s": 2, "i": 4, "d": 8}
# Up to this length a value of variable length is stored without alignment.
_SHORT = 127
# More rows changed since than this share, and the statistics are of another table.
_STALE_SHARE = 0.2


@dataclass(frozen=True)
class Column:
    """A column as rows hold it; width and share of NULLs are None where no statistics are."""

    number: int
    length: int
    align: str
    width: float | None
    nulls: float | None


@dataclass(frozen=True)
class Estimate:
    """How many pages a table or one of its indexes has, and the least that its rows need."""

    schema: str
    table: str
    index: str | None
    pages: int
    needed: int

    @property
    def subject(self) -> str:
        return ".".join(filter(None, (self.schema, self.table, self.index)))

    @property
    def empty_share(self) -> float:
        return max(0.0, 1 - self.needed / self.pages) if self.pages else 0.0

    @property
    def empty_bytes(self) -> int:
        return max(0, self.pages - self.needed) * PAGE_BYTES


@dataclass(frozen=True)
class Estimated:
    """A large table's estimates; none when it is unseen or unknown.

    `unseen` says that the role may not see its statistics, `stale` that they are too old or none.
    """

    schema: str
    table: str
    unseen: bool
    stale: bool
    estimates: tuple[Estimate, ...]


def estimates(cursor: CursorWrapper, pages: int) -> list[Estimated]:
    """Of every table of at least so many pages, and of its btrees of as many, by name."""
    rows = ask(cursor, "our_table", "large_relations", parameters=[pages, pages])
    return [_estimated(row) for row in rows]


def _estimated(row: tuple[Any, ...]) -> Estimated:
    _, schema, table, pages, rows, fill, visible, analyzed, modified, columns, indexes = row
    known = [Column(*column) for column in columns or ()]
    stale = (
        not analyzed
        or rows < 0
        or modified > max(rows, 1) * _STALE_SHARE
        or any(column.width is None for column in known)
    )
    if not visible or stale:
        return Estimated(schema, table, not visible, visible and stale, ())
    found = [Estimate(schema, table, None, pages, table_pages(known, rows, fill))]
    for name, index_pages, entries, numbers, index_fill in indexes or ():
        chosen = [int(number) for number in numbers.split()]
        inside = [column for number in chosen for column in known if column.number == number]
        needed = index_pages_needed(inside, entries, index_fill)
        found.append(Estimate(schema, table, name, index_pages, needed))
    return Estimated(schema, table, unseen=False, stale=False, estimates=tuple(found))


def table_pages(columns: list[Column], rows: float, fill: int) -> int:
    """The pages that the rows need when each is as wide as the average, and pages as full."""
    header = _ROW_HEADER
    if any(column.nulls for column in columns):
        header += math.ceil(len(columns) / 8)
    row = _aligned(header, 8) + _aligned(_data_bytes(columns), 8) + _POINTER
    usable = (PAGE_BYTES - _PAGE_HEADER) * fill / 100
    return math.ceil(rows / max(1, usable // row))


def index_pages_needed(columns: list[Column], entries: float, fill: int) -> int:
    """The pages that a btree's entries need at most: equal ones share their room since 13."""
    entry = _aligned(_ENTRY_HEADER + _data_bytes(columns), 8) + _POINTER
    usable = (PAGE_BYTES - _PAGE_HEADER - 16) * fill / 100
    return math.ceil(max(entries, 0) / max(1, usable // entry)) + 1


def _data_bytes(columns: list[Column]) -> int:
    """The width of a row's values in their order, with the gaps that alignment makes."""
    at = 0.0
    for column in columns:
        width = column.width or 0.0
        present = 1 - (column.nulls or 0.0)
        if column.length > 0 or width > _SHORT:
            align = _ALIGNMENT[column.align]
            at += (_aligned(at, align) - at) * present
        at += width * present
    return math.ceil(at)


def _aligned(size: float, to: int) -> int:
    return math.ceil(size / to) * to
