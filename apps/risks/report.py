"""What an import has found, as values for JSON and as tables for a terminal."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from apps.risks.importer.document import (
    COUNTED,
    REJECTED,
    UNSTRUCTURED,
    DiscrepancyEntry,
    ProfileDocument,
    RiskEntry,
)
from apps.risks.store import Stored

# A title may hold whatever a document holds; a terminal must not obey it.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
_WIDEST_CELL = 60
_RISK_HEADER = ("Code", "Category", "Title", "P", "I", "Score", "Priority")
_DISCREPANCY_HEADER = ("Line", "Discrepancy", "Of", "Stated", "Computed")


@dataclass(frozen=True)
class Outcome:
    """What became of one path: a document and where it is kept, or the error."""

    path: str
    document: ProfileDocument | None = None
    stored: Stored | None = None
    error: str | None = None

    @property
    def level(self) -> str:
        """The document's level, or rejected."""
        return self.document.level if self.document else REJECTED

    @property
    def is_good(self) -> bool:
        """Whether the file could be read as a profile with its risks."""
        return self.level not in (UNSTRUCTURED, REJECTED)


def as_json(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """The report by the names that scripts rely on."""
    return {"files": [_file(outcome) for outcome in outcomes]}


def as_lines(outcomes: Iterable[Outcome], *, is_dry_run: bool) -> Iterator[str]:
    """The report for a person, line by line."""
    for outcome in outcomes:
        yield from _section(outcome, is_dry_run)
        yield ""


def _file(outcome: Outcome) -> dict[str, Any]:
    document, stored = outcome.document, outcome.stored
    return {
        "path": outcome.path,
        "level": outcome.level,
        "error": outcome.error,
        "profile": document.profile if document else None,
        "title": document.title if document else None,
        "methodology": document.methodology if document else None,
        "revision": stored.revision if stored else None,
        "changed": stored.changed if stored else False,
        "risks": [_risk(entry) for entry in document.risks] if document else [],
        "discrepancies": [_discrepancy(entry) for entry in document.discrepancies]
        if document
        else [],
        "counts": document.counts if document else dict.fromkeys(COUNTED, 0),
    }


def _risk(entry: RiskEntry) -> dict[str, Any]:
    return {
        "code": entry.code,
        "occurrence": entry.occurrence,
        "category": entry.category,
        "title": entry.title,
        "probability": entry.probability.value,
        "impact": entry.impact.value,
        "probability_stated": entry.probability.raw,
        "impact_stated": entry.impact.raw,
        "score_stated": entry.score_stated,
        "score": entry.score,
        "priority_stated": entry.priority_stated or None,
        "priority": entry.priority,
        "residual": entry.residual_level or None,
        "has_detail": entry.has_detail,
        "line": entry.place.line,
    }


def _discrepancy(entry: DiscrepancyEntry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "where": entry.place.where,
        "line": entry.place.line,
        "risk": entry.risk,
        "subject": entry.subject or None,
        "stated": entry.stated,
        "computed": entry.computed,
    }


def _section(outcome: Outcome, is_dry_run: bool) -> Iterator[str]:
    document, stored = outcome.document, outcome.stored
    if document is None or stored is None:
        yield f"{printable(outcome.path)}: {outcome.level}. {printable(outcome.error or '')}"
        return
    yield (
        f"{printable(outcome.path)}: {document.level}, {len(document.risks)} risks; "
        f"{_kept(stored, is_dry_run)} revision {stored.revision} of profile {stored.profile}."
    )
    if document.level == UNSTRUCTURED:
        yield "No risk with a code was found; a person completes its draft in /admin/risks/risk/."
        return
    yield ""
    yield from _table(_RISK_HEADER, [_risk_cells(entry) for entry in document.risks])
    yield ""
    if document.discrepancies:
        cells = [_discrepancy_cells(entry) for entry in document.discrepancies]
        yield from _table(_DISCREPANCY_HEADER, cells)
    else:
        yield "The document does not contradict itself."
    counts = (f"{name.replace('_', ' ')} {number}" for name, number in document.counts.items())
    yield ""
    yield ", ".join(counts)


def _kept(stored: Stored, is_dry_run: bool) -> str:
    if not stored.changed:
        return "unchanged, it is"
    return "it would be" if is_dry_run else "it is now"


def _risk_cells(entry: RiskEntry) -> tuple[str, ...]:
    values = (entry.probability.value, entry.impact.value, entry.score)
    numbers = ("-" if value is None else str(value) for value in values)
    return (entry.code, entry.category, entry.title, *numbers, entry.priority or "not rated")


def _discrepancy_cells(entry: DiscrepancyEntry) -> tuple[str, ...]:
    names = dict.fromkeys(name for name in (entry.risk, entry.subject) if name)
    kind = entry.kind.replace("_", " ")
    return (str(entry.place.line), kind, " ".join(names), entry.stated, entry.computed)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    cells = [tuple(header), *(tuple(_short(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _short(text: str) -> str:
    plain = printable(text)
    return plain if len(plain) <= _WIDEST_CELL else f"{plain[: _WIDEST_CELL - 1]}…"


def printable(text: str) -> str:
    """The text without what a terminal would obey."""
    return _CONTROL.sub(" ", text).encode("utf-8", errors="replace").decode()
