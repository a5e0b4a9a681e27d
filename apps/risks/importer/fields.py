"""Labelled lines (`**Probability**: Medium`), whichever side of the bold the colon stands on."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from apps.risks.importer.markdown import (
    Block,
    Code,
    Heading,
    Item,
    Line,
    Listing,
    Paragraph,
    Row,
    Table,
)

SCORE = "score"
PROBABILITY = "probability"
IMPACT = "impact"
DESCRIPTION = "description"
COMPONENTS = "components"
MITIGATION = "mitigation"
TESTING_FOCUS = "testing_focus"
RESIDUAL = "residual"
CATEGORY = "category"
PRIORITY = "priority"
OTHER = "other"

_SPELLINGS = {
    SCORE: "score|risk score|スコア|リスクスコア",
    PROBABILITY: "probability|prob|prob.|likelihood|確率|発生確率|可能性|発生可能性",
    IMPACT: "impact|影響|影響度|インパクト",
    DESCRIPTION: "description|risk description|details|説明|内容|概要|リスク内容",
    COMPONENTS: "affected components|affected component|components|component|components affected"
    "|affected areas|affected|影響コンポーネント|影響を受けるコンポーネント"
    "|対象コンポーネント|影響範囲",
    MITIGATION: "mitigation|mitigations|mitigation strategy|mitigation strategies|mitigation plan"
    "|mitigation actions|mitigation measures|mitigation steps|required mitigation"
    "|recommended mitigation|緩和策|対策|軽減策|リスク軽減策",
    TESTING_FOCUS: "testing focus|testing requirements|testing|test focus|tests|test requirements"
    "|required tests|tests required|testing strategy|テスト|テスト重点|テスト要件|テストフォーカス"
    "|テスト観点",
    RESIDUAL: "residual risk|residual|residual risk level|残留リスク|残存リスク",
    CATEGORY: "category|risk category|カテゴリ|カテゴリー|分類",
    PRIORITY: "priority|risk level|優先度",
    OTHER: "status|owner|timeline|notes|evidence|root cause|action|effort",
}
_FIELD_OF_LABEL = {
    label: name for name, labels in _SPELLINGS.items() for label in labels.split("|")
}
RATED = frozenset({SCORE, PROBABILITY, IMPACT, RESIDUAL})

_COLON = re.compile(r"^(?P<label>[^:：]{1,60}?)\s*[:：]\s*(?P<rest>.*)$", re.DOTALL)
_DASH = re.compile(r"^(?P<label>[^–—-]{1,40}?)\s*[–—-]+\s+(?P<rest>.*)$", re.DOTALL)
_NEXT_RATED = re.compile(
    r"\s*(?:[|·•,;、／/×]|\s[-–—x]\s|\s)\s*(?=(?:risk score|score|probability|likelihood|impact|"
    r"priority|category)\s*[:：])",
    re.IGNORECASE,
)
_MARK = re.compile(r"^(?:\[[ xX✓✔]\]|[✅✔☑☐✓❌⚠🔴🟠🟡🟢🔵⚪️\s])+\s*")


@dataclass(frozen=True)
class Field:
    """A labelled value; `name` is OTHER for a label that means nothing to the register."""

    name: str
    label: str
    rest: str
    line: int
    is_bold: bool


@dataclass(frozen=True)
class Entry:
    """One line of a stream of blocks: a heading, paragraph or item with its depth in lists."""

    kind: type[Heading] | type[Paragraph] | type[Item]
    depth: int
    line: Line
    is_ordered: bool = False
    level: int = 0
    continues: bool = False


def entries(blocks: Iterable[Block], depth: int = 0) -> Iterator[Entry | Table]:
    """Every line of the blocks in order; tables as they are, code left out."""
    for block in blocks:
        if isinstance(block, Heading):
            line = Line(block.text, block.line, block.text)
            yield Entry(Heading, depth, line, level=block.level)
        elif isinstance(block, Paragraph):
            yield from _line_entries(block.lines, Paragraph, depth, False)
        elif isinstance(block, Listing):
            for item in block.items:
                yield from _line_entries(item.lines, Item, depth, block.ordered)
                yield from entries(item.blocks, depth + 1)
        elif not isinstance(block, Code):
            yield block


def _line_entries(
    lines: Iterable[Line], kind: type[Paragraph] | type[Item], depth: int, is_ordered: bool
) -> Iterator[Entry]:
    for position, line in enumerate(lines):
        yield Entry(kind, depth, line, is_ordered, continues=position > 0)


def read_field(line: Line) -> Field | None:
    """The label and value of a line; a label unknown to the method counts only in bold."""
    text = without_mark(line.text)
    match = _COLON.match(text)
    label = _label(match["label"]) if match else ""
    if match and label in _FIELD_OF_LABEL:
        return Field(_FIELD_OF_LABEL[label], label, match["rest"].strip(), line.number, _bold(line))
    if not line.bold:
        return None
    bold = _label(line.bold.rstrip(":： "))
    if bold in _FIELD_OF_LABEL:
        rest = text[len(without_mark(line.bold)) :].lstrip(" :：–—-")
        return Field(_FIELD_OF_LABEL[bold], bold, rest.strip(), line.number, True)
    dashed = _DASH.match(text)
    if dashed and _label(dashed["label"]) in _FIELD_OF_LABEL:
        label = _label(dashed["label"])
        return Field(_FIELD_OF_LABEL[label], label, dashed["rest"].strip(), line.number, True)
    if match and len(match["label"]) <= len(line.bold) + 1:
        return Field(OTHER, match["label"].strip(), match["rest"].strip(), line.number, True)
    return None


def read_fields(line: Line) -> list[Field]:
    """All labelled values of a line such as `Probability: Medium | Impact: High | Score: 6`."""
    pieces = _NEXT_RATED.split(line.text)
    if len(pieces) == 1:
        found = read_field(line)
        return [found] if found else []
    lines = [Line(pieces[0], line.number, line.bold)]
    lines += [Line(piece, line.number, piece) for piece in pieces[1:]]
    return [field for piece in lines if (field := read_field(piece))]


def field_of_label(text: str) -> str:
    """The field that a heading or a table's cell names, or ''."""
    return _FIELD_OF_LABEL.get(_label(text), "")


def without_mark(text: str) -> str:
    """The text without a tick or a coloured sign before it."""
    return _MARK.sub("", text).strip()


def row_text(row: Row) -> str:
    """The cells of a row as one text."""
    return " — ".join(cell for cell in row.cells if cell)


def _label(text: str) -> str:
    words = re.sub(r"[(（][^)）]*[)）]", "", without_mark(text))
    return re.sub(r"^[\W_]*(?:\d+[.)]\s*)?|[\s:：*_]+$", "", words).casefold()


def _bold(line: Line) -> bool:
    return bool(line.bold)
