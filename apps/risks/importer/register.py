"""Joins the rows of the register with the detail blocks into risks."""

import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterable

from apps.risks.importer.codes import CATEGORIES, category_of_code
from apps.risks.importer.details import Detail
from apps.risks.importer.document import GroupedText, Place, RiskEntry
from apps.risks.importer.fields import (
    CATEGORY,
    COMPONENTS,
    DESCRIPTION,
    IMPACT,
    MITIGATION,
    PRIORITY,
    PROBABILITY,
    RESIDUAL,
    SCORE,
    TESTING_FOCUS,
    without_mark,
)
from apps.risks.importer.ratings import (
    Rating,
    ScoreText,
    on_one_scale,
    read_priority,
    read_rating,
    read_score,
)
from apps.risks.importer.table import RegisterRow
from apps.risks.method import BMAD_4, BMAD_6, priority, score

_PARTS = re.compile(r"\s*(?:[,;、；]|\n)\s*(?![^(（]*[)）])")
_LINES = re.compile(r"\s*\n\s*(?:[-•*]\s*)?")
_V6_CODE = re.compile(r"R-\d+$")

Pair = tuple[RegisterRow | None, Detail | None]


def methodology_of(codes: Iterable[str]) -> str:
    """Version 6 numbers its risks `R-001`; everything else is read as version 4."""
    forms = Counter(bool(_V6_CODE.match(code)) for code in codes)
    return BMAD_6 if forms[True] > forms[False] else BMAD_4


def pair_up(rows: Iterable[RegisterRow], details: Iterable[Detail]) -> list[Pair]:
    """Each row with its detail block, the nth row of a code with the nth block; then the rest."""
    waiting: dict[str, deque[Detail]] = defaultdict(deque)
    details = list(details)
    for detail in details:
        waiting[detail.code].append(detail)
    pairs: list[Pair] = [
        (row, waiting[row.code].popleft() if waiting[row.code] else None) for row in rows
    ]
    left = {id(detail) for queue in waiting.values() for detail in queue}
    return pairs + [(None, detail) for detail in details if id(detail) in left]


def risk_entries(pairs: Iterable[Pair], methodology: str) -> tuple[RiskEntry, ...]:
    """The risks in the order of the register; ratings only where the scale is the method's."""
    pairs = list(pairs)
    ratings = on_one_scale(
        (
            read_rating(_text(pair, "probability", PROBABILITY)),
            read_rating(_text(pair, "impact", IMPACT)),
        )
        for pair in pairs
    )
    occurrences: Counter[str] = Counter()
    risks = []
    for pair, (probability, impact) in zip(pairs, ratings, strict=True):
        occurrences[_code(pair)] += 1
        risks.append(_risk(pair, probability, impact, occurrences[_code(pair)], methodology))
    return tuple(risks)


def _risk(
    pair: Pair, probability: Rating, impact: Rating, occurrence: int, methodology: str
) -> RiskEntry:
    row, detail = pair
    printed = read_score(_text(pair, "score", SCORE))
    computed = score(probability.value, impact.value)
    title, description = _texts(row, detail)
    residual = _text(pair, "residual", RESIDUAL)
    return RiskEntry(
        code=_code(pair),
        occurrence=occurrence,
        place=_place(pair),
        category=_category(pair),
        title=title,
        description=description,
        probability=probability,
        impact=impact,
        score=computed,
        score_raw=printed.raw,
        score_stated=printed.value,
        priority=priority(computed, methodology),
        priority_stated=_priority_stated(pair, printed),
        residual_level=read_rating(residual).word if read_rating(residual).value else "",
        residual=residual,
        components=tuple(item.text for item in detail.items(COMPONENTS)) if detail else (),
        affected=_affected(row, detail),
        mitigations=_mitigations(row, detail),
        testing_focus=detail.items(TESTING_FOCUS) if detail else (),
        origin=row.text("origin") if row else "",
        cells=row.cells if row else (),
        has_row=row is not None,
        has_detail=detail is not None,
    )


def _code(pair: Pair) -> str:
    row, detail = pair
    return row.code if row else detail.code if detail else ""


def _place(pair: Pair) -> Place:
    row, detail = pair
    return row.place if row else detail.place if detail else Place("", 1)


def _text(pair: Pair, column: str, field: str) -> str:
    """The row's text, and the detail's where the row has none."""
    row, detail = pair
    from_row = row.text(column).strip(" -–—") if row else ""
    return from_row or (detail.texts.get(field, "") if detail else "")


def _category(pair: Pair) -> str:
    printed = _text(pair, "category", CATEGORY)
    return CATEGORIES.get(printed.upper(), printed) or category_of_code(_code(pair))


def _texts(row: RegisterRow | None, detail: Detail | None) -> tuple[str, str]:
    """Title and description; a table with only one text calls it either."""
    described = detail.texts.get(DESCRIPTION, "") if detail else ""
    if row is None:
        title = detail.title if detail else ""
        return title or described.partition("\n")[0] or _code((row, detail)), described
    title = row.text("title") or row.text("description") or (detail.title if detail else "")
    title = title or described.partition("\n")[0] or row.code
    return title, described or (row.text("description") if row.text("title") else "")


def _priority_stated(pair: Pair, printed: ScoreText) -> str:
    raw = without_mark(_text(pair, "priority", PRIORITY))
    detail_score = read_score(pair[1].texts.get(SCORE, "")) if pair[1] else ScoreText()
    return read_priority(raw) or raw or printed.priority or detail_score.priority


def _affected(row: RegisterRow | None, detail: Detail | None) -> tuple[str, ...]:
    """The components of the row's cell and of the detail block, each once."""
    cell = row.text("components") if row else ""
    listed = [item.text for item in detail.items(COMPONENTS)] if detail else []
    parts = [part.strip(" -–—") for part in _PARTS.split(cell)]
    return tuple(dict.fromkeys(part for part in (*parts, *listed) if part))


def _mitigations(row: RegisterRow | None, detail: Detail | None) -> tuple[GroupedText, ...]:
    listed = detail.items(MITIGATION) if detail else ()
    cell = row.text("mitigation").strip(" -–—") if row else ""
    return listed or tuple(GroupedText(text) for text in _LINES.split(cell) if text)
