"""The sections after the register: tests, acceptance, monitoring, triggers, actions, documents."""

import re
from collections.abc import Iterable, Iterator

from apps.risks.importer.codes import codes_in
from apps.risks.importer.document import CriterionEntry, GroupedText, PriorityTestEntry
from apps.risks.importer.fields import row_text, without_mark
from apps.risks.importer.markdown import Block, Heading, Item, Line, Listing, Paragraph, Table
from apps.risks.importer.outline import MONITORING, TESTING, TIERS, Section

_COLONS = ":： "
_TESTS = re.compile(r"\btests?\b|\btesting\b|テスト", re.IGNORECASE)


def read_priority_tests(sections: Iterable[Section]) -> tuple[PriorityTestEntry, ...]:
    """The wanted tests, each with its priority and the risk that its label or text names."""
    tests = []
    for section in sections:
        if not _holds_tests(section):
            continue
        label = _own_label(section)
        for item in _labelled_items(section.blocks, label):
            codes = codes_in(item.group) or codes_in(item.text)
            tests.append(
                PriorityTestEntry(
                    section.priority, codes[0] if codes else "", item.group, item.text
                )
            )
    return tuple(tests)


def read_acceptance(sections: Iterable[Section]) -> tuple[CriterionEntry, ...]:
    """The acceptance criteria of the three tiers, each with the points under it."""
    criteria = []
    for section in sections:
        if section.kind not in TIERS:
            continue
        for text, points in _items_with_points(section.blocks):
            codes = codes_in("\n".join((text, *points)))
            criteria.append(CriterionEntry(section.kind, text, codes, points))
    return tuple(criteria)


def read_monitoring(sections: Iterable[Section]) -> tuple[GroupedText, ...]:
    """What is to be monitored, each item with the label above it."""
    return tuple(
        item
        for section in sections
        if section.kind == MONITORING
        for item in _labelled_items(section.blocks, _own_label(section))
    )


def read_list(sections: Iterable[Section], kind: str) -> tuple[str, ...]:
    """The items of the sections of one kind, the lines under an item joined to it."""
    return tuple(
        "\n- ".join((text, *points))
        for section in sections
        if section.kind == kind
        for text, points in _items_with_points(section.blocks)
    )


def _holds_tests(section: Section) -> bool:
    if section.kind == TESTING:
        return True
    heading = section.heading
    return (
        section.kind == ""
        and section.priority is not None
        and heading is not None
        and _TESTS.search(heading.text) is not None
    )


def _own_label(section: Section) -> str:
    """The heading as a label where it is more than the section's name."""
    heading = section.heading
    if heading is None or len(section.path) < 3 or "priority" in heading.text.casefold():
        return ""
    return heading.text


def _labelled_items(blocks: Iterable[Block], label: str) -> Iterator[GroupedText]:
    """Every item with the last label before it: a bold or colon-ended line, or a parent item."""
    found_list = False
    prose: list[GroupedText] = []
    for block in blocks:
        if isinstance(block, Paragraph):
            for line in block.lines:
                if _is_label(line):
                    label = line.text.strip(_COLONS)
                else:
                    prose.append(GroupedText(without_mark(line.text), label))
        elif isinstance(block, Heading):
            label = block.text
        elif isinstance(block, Listing):
            found_list = True
            for item in block.items:
                yield from _labelled_item(item, label)
        elif isinstance(block, Table):
            found_list = True
            yield from (GroupedText(row_text(row), label) for row in block.rows)
    if not found_list:
        yield from prose


def _labelled_item(item: Item, label: str) -> Iterator[GroupedText]:
    text = _text(item.lines)
    is_parent = bool(item.blocks) and bool(item.lines) and _is_label(item.lines[0])
    if is_parent:
        yield from _labelled_items(item.blocks, text.strip(_COLONS))
    elif text:
        yield GroupedText("\n- ".join((text, *_points(item.blocks))), label)


def _is_label(line: Line) -> bool:
    return line.is_all_bold or line.text.endswith((":", "："))


def _items_with_points(blocks: Iterable[Block]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Top items with all that stands under them; paragraphs where there is no list or table."""
    blocks = tuple(blocks)
    has_list = False
    for block in blocks:
        if isinstance(block, Listing):
            has_list = True
            for item in block.items:
                if text := _text(item.lines):
                    yield text, _points(item.blocks)
        elif isinstance(block, Table):
            has_list = True
            for row in block.rows:
                yield row_text(row), ()
    if has_list:
        return
    for block in blocks:
        if isinstance(block, Paragraph) and not block.lines[-1].text.endswith((":", "：")):
            yield _text(block.lines), ()


def _points(blocks: Iterable[Block]) -> tuple[str, ...]:
    points: list[str] = []
    for block in blocks:
        if isinstance(block, Paragraph):
            points.append(_text(block.lines))
        elif isinstance(block, Listing):
            for item in block.items:
                points += [text for text in (_text(item.lines), *_points(item.blocks)) if text]
        elif isinstance(block, Table):
            points += [row_text(row) for row in block.rows]
    return tuple(point for point in points if point)


def _text(lines: Iterable[Line]) -> str:
    return without_mark(" ".join(line.text for line in lines))
