"""What a document states about itself: title, date, totals, distribution, score and gate word."""

import datetime
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

from apps.risks.importer.codes import CATEGORIES, category_key, codes_in
from apps.risks.importer.document import (
    CategoryLine,
    ComponentGroup,
    Stated,
    Summary,
    TierCount,
)
from apps.risks.importer.fields import entries, without_mark
from apps.risks.importer.markdown import Block, Code, Line, Paragraph, Table
from apps.risks.importer.outline import BY_CATEGORY, BY_COMPONENT, DISTRIBUTION, SUMMARY, Section
from apps.risks.importer.ratings import read_priority
from apps.risks.method import GATE_WORDS, PRIORITIES

LONGEST_KEY = 100
_TIER = r"critical|high|medium|low|minimal|重大|クリティカル|高|中|低|最小"
_IN_BRACKETS = r"[(（][^)）]*[)）]"
_TIER_COUNT = re.compile(
    rf"(?<!\w)({_TIER})(?:[\s-]*(?:priority|severity|risks?|リスク数?|優先度|count))*\s*"
    rf"(?:{_IN_BRACKETS})?\s*[:：|=]\s*(\d{{1,6}})(?![\d.]|\s*[/%])",
    re.IGNORECASE,
)
_TOTAL = re.compile(
    rf"^(?:total(?: number of)?(?: identified)? risks?(?: identified)?|risks identified|total|"
    rf"総リスク数?|リスク総数|特定されたリスク(?:総)?数?|合計)\s*(?:{_IN_BRACKETS})?\s*[:：|]\s*(\d{{1,6}})(?![\d.]|\s*[/%])",
    re.IGNORECASE,
)
_STORY_SCORE = re.compile(
    rf"^(?:(?:overall|story|total|calculated|final)\s+)*(?:risk\s+)?(?:score|リスクスコア|総合スコア|スコア)\s*"
    rf"(?:{_IN_BRACKETS})?\s*[:：|]\s*(\d{{1,6}})\s*(?:/\s*(\d{{1,6}}))?",
    re.IGNORECASE,
)
_GATE = re.compile(
    r"^(?:(?:recommended|quality|risk|final|overall|deterministic)\s+)*gate"
    r"(?:\s+(?:decision|status|result|recommendation|mapping|impact))?\s*[:：|]\W*"
    rf"({'|'.join(GATE_WORDS)})\b",
    re.IGNORECASE,
)
_YAML_PAIR = re.compile(r"^(\s*)([\w-]+)\s*:\s*([^#\n]*)")
_COUNT = re.compile(
    r"^(?P<name>[^:：\d]+?)\s*[:：–—-]\s*(?P<count>\d{1,6})\b(?P<rest>.*)$", re.DOTALL
)
_NUMBER_TIER = re.compile(rf"(\d{{1,6}})\s*(?:x\s*|×\s*|件の)?({_TIER})", re.IGNORECASE)
_TIER_NUMBER = re.compile(rf"({_TIER})\s*[:：=]?\s*(\d{{1,6}})", re.IGNORECASE)
# A table of numbers has a name, a count and perhaps a share; the register has more columns.
_WIDEST_SUMMARY = 3
_SUM = re.compile(r"total|sum|合計", re.IGNORECASE)
_METHOD_CATEGORIES = frozenset(name.casefold() for name in CATEGORIES.values())
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})")
_FILE_NAME = re.compile(r"^(?P<story>\d+(?:\.\w+)*?)[.-]risk\b|^(?P<epic>epic-\d+)", re.IGNORECASE)
_FILE_DATE = re.compile(r"(?<!\d)(\d{4})(\d{2})(\d{2})(?!\d)")
_STORY = re.compile(r"(?:story|ストーリー)\s*[:#]?\s*(\d+(?:\.\d+)*[a-z]?)(?![\w.])", re.IGNORECASE)
_EPIC = re.compile(r"(?:epic|エピック)[\s:#-]*(\d+)", re.IGNORECASE)
_KEY = re.compile(r"(?<![\w.])(\d+(?:\.\d+)+[a-z]?)(?![\w.])")
_HEAD_FIELDS = {
    "date": re.compile(r"^(?:date|assessment date|日付|作成日)\s*[:：]\s*(.+)$", re.IGNORECASE),
    "reviewer": re.compile(
        r"^(?:reviewer|assessor|author|レビュアー|レビュー担当)\s*[:：]\s*(.+)$", re.I
    ),
    "story": re.compile(r"^(?:story|story id|ストーリー)\s*[:：]\s*[\"']?([\w.-]+)", re.IGNORECASE),
}


@dataclass(frozen=True)
class Head:
    """The lines round the title."""

    date_stated: str
    date: datetime.date | None
    reviewer: str
    story: str


@dataclass(frozen=True)
class _StatedLine:
    """One line that may state a number, with its section; a table's row is joined by bars."""

    text: str
    line: int
    section: Section


def read_head(sections: tuple[Section, ...], front: Iterable[str], path: str) -> Head:
    """Date, reviewer and story from the lines before the second section, or the front matter."""
    texts = [line.text for line in _first_lines(sections)] + [line.strip() for line in front]
    found: dict[str, str] = {}
    for text in texts:
        for piece in text.split(" | "):
            for name, pattern in _HEAD_FIELDS.items():
                match = pattern.match(without_mark(piece))
                if match and name not in found:
                    found[name] = match[1].strip(" \"'")
    stated = found.get("date", "")
    date = _date(_DATE.search(stated)) or _date(_FILE_DATE.search(PurePath(path).stem))
    return Head(stated, date, found.get("reviewer", ""), found.get("story", ""))


def profile_key(title: str, story: str, path: str) -> str:
    """The story that a profile is about (`1.3`): by the title, the front matter, or the name.

    At most LONGEST_KEY characters; letters, digits, dots, underscores and hyphens.
    """
    return _key(title, story, PurePath(path).stem)[:LONGEST_KEY] or "profile"


def _key(title: str, story: str, stem: str) -> str:
    if match := _STORY.search(title):
        return match[1]
    if match := _EPIC.search(title):
        return f"epic-{match[1]}"
    if match := _KEY.search(title) or _KEY.fullmatch(story):
        return match[1]
    if match := _FILE_NAME.match(stem):
        return (match["story"] or match["epic"]).casefold()
    words = re.sub(r"^risk profile\s*[:：–—-]*\s*", "", title, flags=re.IGNORECASE) or stem
    return re.sub(r"[^\w.]+", "-", words.casefold()).strip("-")


def read_summary(sections: tuple[Section, ...]) -> Summary:
    """Everything the document states about its own risks."""
    lines = list(_stated_lines(sections))
    return Summary(
        text=_assessment(sections),
        total=_first(lines, _TOTAL),
        score=_story_score(lines),
        gate=_gate(sections),
        tiers=tuple(_tiers(lines)),
        yaml_totals=tuple(_yaml_totals(sections)),
        categories=tuple(_categories(sections)),
    )


def read_component_groups(sections: Iterable[Section]) -> tuple[ComponentGroup, ...]:
    """The lines of the distribution by component, with the codes that each names."""
    groups = []
    for section in sections:
        if section.kind != BY_COMPONENT:
            continue
        for stated in _section_lines(section):
            name = re.split(r"[:：|]", stated.text, maxsplit=1)[0].strip()
            match = _COUNT.match(stated.text.replace(" | ", ": ", 1))
            if codes := codes_in(stated.text):
                groups.append(ComponentGroup(name, int(match["count"]) if match else None, codes))
            elif match:
                groups.append(ComponentGroup(name, int(match["count"]), ()))
    return tuple(groups)


def _first_lines(sections: tuple[Section, ...]) -> Iterator[Line]:
    for section in sections[:2]:
        for entry in entries(section.blocks):
            if not isinstance(entry, Table):
                yield entry.line


def _stated_lines(sections: tuple[Section, ...]) -> Iterator[_StatedLine]:
    """The lines of the summary, and those before the first section below the title."""
    for number, section in enumerate(sections):
        is_top = number < 2 and len(section.path) < 2
        if section.kind == SUMMARY or (section.kind == "" and is_top):
            yield from _section_lines(section, widest_table=_WIDEST_SUMMARY)


def _section_lines(section: Section, widest_table: int = 100) -> Iterator[_StatedLine]:
    for entry in entries(section.blocks):
        if isinstance(entry, Table):
            if len(entry.header) > widest_table:
                continue
            for cells, line in [(entry.header, entry.line)] + [
                (r.cells, r.line) for r in entry.rows
            ]:
                yield _StatedLine(" | ".join(cell for cell in cells if cell), line, section)
        else:
            yield _StatedLine(without_mark(entry.line.text), entry.line.number, section)


def _first(lines: Iterable[_StatedLine], pattern: re.Pattern[str]) -> Stated | None:
    for line in lines:
        if match := pattern.match(line.text):
            return Stated(match[1], line.section.place(line.line))
    return None


def _story_score(lines: Iterable[_StatedLine]) -> Stated | None:
    for line in lines:
        match = _STORY_SCORE.match(line.text)
        if match and match[2] in (None, "100"):
            return Stated(match[1], line.section.place(line.line))
    return None


def _tiers(lines: Iterable[_StatedLine]) -> Iterator[TierCount]:
    seen = set()
    for line in lines:
        for match in _TIER_COUNT.finditer(line.text):
            tier = read_priority(match[1])
            if tier not in seen:
                seen.add(tier)
                yield TierCount(tier, Stated(match[2], line.section.place(line.line)))


def _gate(sections: Iterable[Section]) -> Stated | None:
    for section in sections:
        for stated in _section_lines(section):
            if match := _GATE.match(stated.text):
                return Stated(match[1].upper(), section.place(stated.line))
        for line, text in _code_lines(section.blocks):
            if match := _GATE.match(text.strip()):
                return Stated(match[1].upper(), section.place(line))
    return None


def _code_lines(blocks: Iterable[Block]) -> Iterator[tuple[int, str]]:
    for block in blocks:
        if isinstance(block, Code):
            yield from enumerate(block.text.split("\n"), start=block.line)


def _yaml_totals(sections: Iterable[Section]) -> Iterator[TierCount]:
    """The counts under `totals:` of a YAML block, a placeholder such as `X` left out."""
    for section in sections:
        depth: int | None = None
        for line, text in _code_lines(section.blocks):
            match = _YAML_PAIR.match(text)
            if match is None:
                continue
            indent, key, value = len(match[1]), match[2].casefold(), match[3].strip()
            if key == "totals":
                depth = indent
            elif depth is not None and indent <= depth:
                depth = None
            elif depth is not None and key.title() in PRIORITIES and _is_number(value):
                yield TierCount(key.title(), Stated(value, section.place(line)))


def _categories(sections: Iterable[Section]) -> Iterator[CategoryLine]:
    for section in sections:
        if section.kind not in (BY_CATEGORY, DISTRIBUTION):
            continue
        for entry in entries(section.blocks):
            if isinstance(entry, Table):
                yield from _category_rows(entry, section)
            elif match := _COUNT.match(without_mark(entry.line.text)):
                name = match["name"].strip(" *")
                place = section.place(entry.line.number)
                if _may_be_category(name, section):
                    tiers = _tier_counts(match["rest"])
                    yield CategoryLine(name, int(match["count"]), tiers, place)


def _may_be_category(name: str, section: Section) -> bool:
    """Sums and priorities are no categories; a general section names only the method's six."""
    if not name or _SUM.match(name) or read_priority(name):
        return False
    return section.kind == BY_CATEGORY or category_key(name) in _METHOD_CATEGORIES


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= 6


def _tier_counts(text: str) -> tuple[tuple[str, int], ...]:
    found = [(tier, number) for number, tier in _NUMBER_TIER.findall(text)]
    found = found or _TIER_NUMBER.findall(text)
    return tuple((read_priority(tier), int(number)) for tier, number in found)


def _category_rows(table: Table, section: Section) -> Iterator[CategoryLine]:
    headers = [re.sub(_IN_BRACKETS, "", header).strip() for header in table.header]
    if not headers or not re.search(r"categor|カテゴリ", headers[0], re.IGNORECASE):
        return
    for row in table.rows:
        numbers = {
            header.casefold(): int(cell)
            for header, cell in zip(headers, row.cells, strict=True)
            if _is_number(cell)
        }
        count = next(
            (numbers[name] for name in numbers if re.match(r"total|count|risks|#", name)), None
        )
        tiers = tuple(
            (read_priority(name), number) for name, number in numbers.items() if read_priority(name)
        )
        if _may_be_category(row.cells[0], section):
            yield CategoryLine(row.cells[0], count, tiers, section.place(row.line))


def _assessment(sections: Iterable[Section]) -> str:
    """The prose of the summary, without its list of numbers."""
    paragraphs = []
    for section in sections:
        if section.kind != SUMMARY:
            continue
        for block in section.blocks:
            if isinstance(block, Paragraph):
                text = " ".join(line.text for line in block.lines)
                if not (_TIER_COUNT.search(text) or _TOTAL.match(text)):
                    paragraphs.append(text)
    return "\n\n".join(paragraphs)


def _date(match: re.Match[str] | None) -> datetime.date | None:
    if match is None:
        return None
    try:
        return datetime.date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None
