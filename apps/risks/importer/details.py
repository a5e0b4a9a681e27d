"""Detail blocks: the risks that a document describes one by one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from apps.risks.importer.codes import CodedHeading, read_coded_heading
from apps.risks.importer.document import GroupedText, Place
from apps.risks.importer.fields import (
    CATEGORY,
    COMPONENTS,
    DESCRIPTION,
    IMPACT,
    MITIGATION,
    OTHER,
    PRIORITY,
    PROBABILITY,
    RATED,
    RESIDUAL,
    SCORE,
    TESTING_FOCUS,
    Entry,
    Field,
    entries,
    field_of_label,
    read_fields,
    row_text,
    without_mark,
)
from apps.risks.importer.markdown import Heading, Item, Table
from apps.risks.importer.outline import DETAIL, Section

RATED_ALONE = frozenset({SCORE, PROBABILITY, IMPACT, CATEGORY, PRIORITY})
LISTS = frozenset({COMPONENTS, MITIGATION, TESTING_FOCUS})
_GROUP = re.compile(
    r"^(?:prevent|detect|correct|contingen|immediate|short[- ]term|long[- ]term|primary|secondary|"
    r"予防|検知|検出|是正|修正)",
    re.IGNORECASE,
)
# Which column of a table inside a block holds the item, the best first.
_ITEM_COLUMNS = "mitigation action measure control strategy task test component description step"


@dataclass
class Detail:
    """One detail block; `texts` holds the text of each field and `lines` where it stands."""

    code: str
    title: str
    place: Place
    texts: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    lists: dict[str, list[GroupedText]] = field(default_factory=dict)

    @property
    def is_rated(self) -> bool:
        return any(self.texts.get(name) for name in (SCORE, PROBABILITY, IMPACT))

    def items(self, name: str) -> tuple[GroupedText, ...]:
        """The items of one of the three lists, without empty ones."""
        return tuple(item for item in self.lists.get(name, ()) if item.text)

    def place_of(self, name: str) -> Place:
        """Where a field stands, or the block itself."""
        return Place(self.place.where, self.lines.get(name, self.place.line))

    def absorb(self, other: "Detail") -> None:
        """Takes what a later block on the same risk says and this one does not."""
        for name, text in other.texts.items():
            if not self.texts.get(name):
                self.texts[name] = text
                self.lines[name] = other.lines.get(name, other.place.line)
        for name, items in other.lists.items():
            if not self.items(name):
                self.lists[name] = items


def read_details(sections: Iterable[Section]) -> list[Detail]:
    """The detail blocks of a document in order, several blocks on one risk made one."""
    reader = _DetailReader()
    for section in sections:
        if section.kind in ("", DETAIL):
            reader.read(section)
        else:
            reader.close()
    reader.close()
    return _merged(reader.found)


def _merged(found: Iterable[Detail]) -> list[Detail]:
    merged: dict[str, Detail] = {}
    details: list[Detail] = []
    for detail in found:
        earlier = merged.get(detail.code)
        if earlier is not None and not (earlier.is_rated and detail.is_rated):
            earlier.absorb(detail)
            continue
        merged[detail.code] = detail
        details.append(detail)
    return details


class _DetailReader:
    """Follows the lines of the sections and knows which risk and which field is open."""

    def __init__(self) -> None:
        self.found: list[Detail] = []
        self.open: Detail | None = None
        self.starter: Entry | None = None
        self.field = ""
        self.field_depth = -1
        self.group = ""
        self.item_depth = -1

    def read(self, section: Section) -> None:
        if section.heading is not None:
            self._heading(section, section.heading)
        for entry in entries(section.blocks):
            if isinstance(entry, Table):
                self._table(entry)
            elif entry.kind is Heading:
                self._set_field(field_of_label(entry.line.text) or OTHER, -1)
            else:
                self._line(section, entry)

    def close(self) -> None:
        """Keeps the open block, unless it was a line that only mentioned a code."""
        detail, starter = self.open, self.starter
        if (
            detail
            and starter
            and (starter.kind is Heading or detail.is_rated or _says_more(detail))
        ):
            self.found.append(detail)
        self.open = None

    def _heading(self, section: Section, heading: Heading) -> None:
        coded = read_coded_heading(heading.text)
        starter = self.starter
        is_inside = (
            self.open is not None
            and starter is not None
            and starter.kind is Heading
            and heading.level > starter.level
        )
        if coded:
            line = next(entries([heading]))
            if isinstance(line, Entry):
                self._start(section, coded, line)
        elif is_inside:
            self._set_field(field_of_label(heading.text) or OTHER, -1)
        elif not (self.open and field_of_label(heading.text)):
            self.close()
        else:
            self._set_field(field_of_label(heading.text), -1)

    def _start(self, section: Section, coded: CodedHeading, entry: Entry) -> None:
        self.close()
        self.open = Detail(coded.code, coded.title, section.place(entry.line.number))
        self.starter = entry
        self._set_field("", entry.depth if entry.kind is Item else -1)
        if coded.score:
            self.open.texts[SCORE] = coded.score
            self.open.lines[SCORE] = entry.line.number

    def _line(self, section: Section, entry: Entry) -> None:
        if self._may_start(entry) and (coded := read_coded_heading(without_mark(entry.line.text))):
            self._start(section, coded, entry)
        elif self.open is not None:
            if self.starter and entry.depth < self.starter.depth:
                self.close()
            elif found := self._fields(entry):
                for each in found:
                    self._field(each, entry)
            else:
                self._content(entry)

    def _may_start(self, entry: Entry) -> bool:
        """A line opens a block only where headings do not, and never from within a deeper list."""
        if entry.continues or not (entry.line.bold or entry.is_ordered):
            return False
        if self.open is None or self.starter is None:
            return True
        return entry.kind is self.starter.kind and entry.depth <= self.starter.depth

    def _fields(self, entry: Entry) -> list[Field]:
        found = read_fields(entry.line)
        if not found or entry.kind is not Item or entry.continues or self.field not in LISTS:
            return found
        if entry.depth <= self.field_depth:
            return found
        # Inside a list of mitigations a bullet `Testing: …` is a mitigation.
        return found if found[0].is_bold and found[0].name in RATED else []

    def _field(self, found: Field, entry: Entry) -> None:
        detail = self.open
        if detail is None:
            return
        if found.name == OTHER and self.field in LISTS and _GROUP.match(found.label):
            self.group = found.label
            self._add(found.rest)
            return
        self._set_field(found.name, entry.depth if entry.kind is Item else -1)
        if found.name in LISTS:
            self._add(found.rest)
        elif found.name not in detail.texts:
            detail.texts[found.name] = found.rest
            detail.lines[found.name] = found.line

    def _content(self, entry: Entry) -> None:
        detail = self.open
        if detail is None:
            return
        text = without_mark(entry.line.text)
        if self.field in LISTS:
            self._list_content(detail, entry, text)
        elif self.field == "" or (self.field in RATED_ALONE and not entry.continues):
            # Prose straight under the heading or the ratings describes the risk.
            self._set_field(DESCRIPTION, self.field_depth)
            self._append(detail, text, entry)
        elif self.field != OTHER:
            self._append(detail, text, entry)

    def _append(self, detail: Detail, text: str, entry: Entry) -> None:
        before = detail.texts.get(self.field, "")
        joint = " " if entry.continues else "\n- " if entry.kind is Item else "\n"
        detail.texts[self.field] = f"{before}{joint}{text}" if before else text
        detail.lines.setdefault(self.field, entry.line.number)

    def _list_content(self, detail: Detail, entry: Entry, text: str) -> None:
        items = detail.lists.setdefault(self.field, [])
        last = items[-1] if items else None
        if last and (
            entry.continues or (entry.kind is Item and entry.depth > self.item_depth >= 0)
        ):
            if not entry.continues and last.text.endswith((":", "：")):
                items[-1] = GroupedText(text, last.text.rstrip(":： "))
                self.group, self.item_depth = items[-1].group, entry.depth
            else:
                joint = " " if entry.continues else "\n- "
                items[-1] = GroupedText(f"{last.text}{joint}{text}", last.group)
            return
        if entry.kind is Item:
            if entry.depth < self.item_depth:
                self.group = ""
            self.item_depth = entry.depth
        elif _GROUP.match(text) and (text.endswith((":", "：")) or entry.line.is_all_bold):
            self.group = text.rstrip(":： ")
            return
        items.append(GroupedText(text, self.group))

    def _add(self, text: str) -> None:
        self.item_depth = -1
        if text and self.open is not None:
            self.open.lists.setdefault(self.field, []).append(
                GroupedText(without_mark(text), self.group)
            )

    def _set_field(self, name: str, depth: int) -> None:
        self.field, self.field_depth = name, depth
        self.group, self.item_depth = "", -1

    def _table(self, table: Table) -> None:
        """A table inside a block lists the open field's items, or fields with their values."""
        detail = self.open
        if detail is None:
            return
        rows = [(table.header, table.line), *((row.cells, row.line) for row in table.rows)]
        named = [(field_of_label(cells[0]), cells, line) for cells, line in rows if len(cells) == 2]
        if sum(1 for name, _, _ in named if name) >= 2:
            for name, cells, line in named:
                if name in LISTS:
                    detail.lists.setdefault(name, []).append(GroupedText(cells[1]))
                elif name and name not in detail.texts:
                    detail.texts[name], detail.lines[name] = cells[1], line
        elif self.field in LISTS:
            column = _item_column(table)
            for row in table.rows:
                text = row.cells[column] if column >= 0 else row_text(row)
                self._add(text)


def _item_column(table: Table) -> int:
    headers = [header.casefold() for header in table.header]
    for word in _ITEM_COLUMNS.split():
        for number, header in enumerate(headers):
            if word in header:
                return number
    return -1


def _says_more(detail: Detail) -> bool:
    named = (DESCRIPTION, RESIDUAL, CATEGORY, PRIORITY)
    return (
        bool(detail.lists)
        or any(detail.lines.get(name) for name in named[1:])
        or (DESCRIPTION in detail.texts and detail.lines.get(DESCRIPTION, 0) != detail.place.line)
    )
