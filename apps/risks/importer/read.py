"""The one way in: a path gives a document, or the reason why it cannot be read."""

import re
from collections.abc import Iterable
from pathlib import Path

from apps.risks.importer.decoding import Source, UnreadableProfile, read_source
from apps.risks.importer.details import read_details
from apps.risks.importer.discrepancies import find_discrepancies
from apps.risks.importer.document import (
    FULL,
    PARTIAL,
    UNSTRUCTURED,
    ProfileDocument,
    RiskEntry,
    Summary,
)
from apps.risks.importer.markdown import Heading, front_matter, parse_blocks
from apps.risks.importer.outline import ACTIONS, DOCUMENTATION, TRIGGERS, Section, outline
from apps.risks.importer.register import methodology_of, pair_up, risk_entries
from apps.risks.importer.sections import (
    read_acceptance,
    read_list,
    read_monitoring,
    read_priority_tests,
)
from apps.risks.importer.summary import (
    profile_key,
    read_component_groups,
    read_head,
    read_summary,
)
from apps.risks.importer.table import read_register

__all__ = ["UnreadableProfile", "read_profile"]

_NO_RISKS = re.compile(
    r"\bno\s+(?:\w+\s+){0,3}risks?\s+(?:(?:were|was|have been|are)\s+)?(?:identified|found)"
    r"|\bzero risks\b|リスクは(?:特定され|あり)ません",
    re.IGNORECASE,
)


def read_profile(path: Path | str) -> ProfileDocument:
    """Reads the risk profile at `path`; raises UnreadableProfile with one sentence."""
    return read_text(read_source(Path(path)), str(path))


def read_text(source: Source, path: str) -> ProfileDocument:
    """Reads a document that is text already; `path` names it in the register."""
    sections = outline(parse_blocks(source.text))
    title = _title(sections)
    head = read_head(sections, front_matter(source.text), path)
    details = read_details(sections)
    rows = read_register(sections, bool(details))
    pairs = pair_up(rows, details)
    methodology = methodology_of(row.code if row else "" for row, _ in pairs)
    risks = risk_entries(pairs, methodology)
    summary = read_summary(sections)
    return ProfileDocument(
        path=path,
        sha256=source.sha256,
        text=source.text,
        level=_level(risks, summary, source.text),
        profile=profile_key(title, head.story, path),
        title=title or Path(path).stem,
        methodology=methodology,
        date=head.date,
        date_stated=head.date_stated,
        reviewer=head.reviewer,
        summary=summary,
        risks=risks,
        component_groups=read_component_groups(sections),
        priority_tests=read_priority_tests(sections),
        acceptance=read_acceptance(sections),
        monitoring=read_monitoring(sections),
        review_triggers=read_list(sections, TRIGGERS),
        immediate_actions=read_list(sections, ACTIONS),
        documentation=read_list(sections, DOCUMENTATION),
        discrepancies=find_discrepancies(risks, pairs, summary, methodology),
    )


def _title(sections: Iterable[Section]) -> str:
    headings: list[Heading] = [section.heading for section in sections if section.heading]
    first = next((heading for heading in headings if heading.level == 1), None)
    return (first or headings[0]).text if headings else ""


def _level(risks: tuple[RiskEntry, ...], summary: Summary, text: str) -> str:
    """How much of the method's four values (code, P, I, score) the document gives."""
    if not risks:
        says_none = summary.total is not None and summary.total.value == "0"
        return FULL if says_none or _NO_RISKS.search(text) else UNSTRUCTURED
    complete = all(risk.score is not None and risk.score_stated is not None for risk in risks)
    return FULL if complete else PARTIAL
