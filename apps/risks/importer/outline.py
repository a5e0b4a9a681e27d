"""The sections of a document and what each is about."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from apps.risks.importer.codes import read_coded_heading
from apps.risks.importer.document import ACCEPTED, CAN_DEPLOY, MUST_FIX, Place
from apps.risks.importer.markdown import Block, Heading, Paragraph

DETAIL = "detail"
SUMMARY = "summary"
DISTRIBUTION = "distribution"
BY_CATEGORY = "by_category"
BY_COMPONENT = "by_component"
TESTING = "testing"
ACCEPTANCE = "acceptance"
MONITORING = "monitoring"
TRIGGERS = "triggers"
ACTIONS = "actions"
DOCUMENTATION = "documentation"
RESIDUAL = "residual"

# The first pattern that a heading matches says what its section holds; order matters.
_KINDS = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (
            r"^(?:executive summary|summary|risk summary|overview|エグゼクティブ|概要|サマリー)",
            SUMMARY,
        ),
        (r"by category|カテゴリー?別", BY_CATEGORY),
        (r"by (?:system )?component|コンポーネント別", BY_COMPONENT),
        (r"distribution|リスク分布", DISTRIBUTION),
        (r"test(?:ing)? strategy|risk-based test|テスト戦略", TESTING),
        (r"must[- ]fix|修正必須", MUST_FIX),
        (r"can deploy|deploy with mitigation", CAN_DEPLOY),
        (r"accepted risks?|acceptable risks?", ACCEPTED),
        (r"acceptance|受容基準|受け入れ基準", ACCEPTANCE),
        (r"monitoring|監視|モニタリング", MONITORING),
        (r"\btriggers?\b|トリガー", TRIGGERS),
        (r"^immediate (?:required )?actions?|即時対応", ACTIONS),
        (r"^documentation\b|^required documentation|ドキュメント要件", DOCUMENTATION),
        (r"^residual|(?:after|post)[- ]mitigation|残留リスク", RESIDUAL),
    )
)
TIERS = (MUST_FIX, CAN_DEPLOY, ACCEPTED)
_NUMBERING = re.compile(r"^[\W_]*(?:\d+(?:\.\d+)*[.)]?\s+)?[\W_]*")
_PRIORITY_HEADING = re.compile(
    r"\bpriority\s*([1-3])\b|\bP([1-3])\b|優先度\s*([1-3])", re.IGNORECASE
)


@dataclass(frozen=True)
class Section:
    """The blocks between one heading and the next; `path` holds the headings above and itself."""

    heading: Heading | None
    path: tuple[Heading, ...]
    blocks: tuple[Block, ...]

    @property
    def where(self) -> str:
        """The text of the outermost heading that is not the document's title."""
        below_title = [heading for heading in self.path if not _is_title(heading)] or self.path
        return below_title[0].text if below_title else ""

    def place(self, line: int) -> Place:
        """A line of this section as a place."""
        return Place(self.where, line)

    @property
    def kind(self) -> str:
        """What the section holds by its headings, outermost first; '' where none tells."""
        found = ""
        for heading in self.path:
            if _is_title(heading):
                continue
            if not found and read_coded_heading(heading.text):
                return DETAIL
            kind = kind_of_heading(heading.text)
            found = _narrower(found, kind)
        return found

    @property
    def priority(self) -> int | None:
        """The test priority that the nearest heading names, from 1 to 3."""
        for heading in reversed(self.path):
            if match := _PRIORITY_HEADING.search(heading.text):
                return int(next(number for number in match.groups() if number))
        return None


def outline(blocks: Iterable[Block]) -> tuple[Section, ...]:
    """The sections in order; blocks before the first heading make one without a heading."""
    opened: list[tuple[Heading | None, tuple[Heading, ...], list[Block]]] = [(None, (), [])]
    for block in _with_promoted_headings(blocks):
        if isinstance(block, Heading):
            above = tuple(heading for heading in opened[-1][1] if heading.level < block.level)
            opened.append((block, (*above, block), []))
        else:
            opened[-1][2].append(block)
    return tuple(
        Section(heading, path, tuple(inside))
        for heading, path, inside in opened
        if heading or inside
    )


def kind_of_heading(text: str) -> str:
    """What a section with this heading holds, or ''."""
    words = _NUMBERING.sub("", text)
    return next((kind for pattern, kind in _KINDS if pattern.search(words)), "")


def _narrower(outer: str, inner: str) -> str:
    """A heading may narrow what a wider one says, never turn it into something else."""
    if outer in ("", SUMMARY):
        return inner or outer
    if outer == DISTRIBUTION and inner in (BY_CATEGORY, BY_COMPONENT):
        return inner
    return inner if outer == ACCEPTANCE and inner in TIERS else outer


def _with_promoted_headings(blocks: Iterable[Block]) -> Iterator[Block]:
    """Bold lines that stand as headings (`**Must Fix:**`) become headings of the lowest level."""
    level = 0
    for block in blocks:
        if isinstance(block, Heading):
            level = block.level
            yield block
        elif isinstance(block, Paragraph) and _stands_as_heading(block):
            line = block.lines[0]
            yield Heading(max(7, level), line.text.strip(" :："), line.number)
        else:
            yield block


def _stands_as_heading(paragraph: Paragraph) -> bool:
    first = paragraph.lines[0] if len(paragraph.lines) == 1 else None
    if first is None or not first.is_all_bold or len(first.text) > 80:
        return False
    promoted = (*TIERS, BY_CATEGORY, BY_COMPONENT, ACTIONS, DOCUMENTATION)
    if kind_of_heading(first.text) in promoted:
        return True
    return bool(re.match(r"(?:priority\s*|P)[1-3]\b", first.text, re.IGNORECASE))


def _is_title(heading: Heading) -> bool:
    return heading.level == 1 and (
        heading.line == 1
        or re.search(r"risk profile|リスクプロファイル", heading.text, re.I) is not None
    )
