"""Keeps documents as revisions: one transaction a file, and no revision is ever changed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeVar

from django.db import transaction
from django.utils.text import slugify

from apps.risks.importer.document import (
    UNSTRUCTURED,
    ProfileDocument,
    RiskEntry,
    Stated,
)
from apps.risks.importer.summary import LONGEST_KEY
from apps.risks.method import document_gate, story_score
from apps.risks.models import (
    AcceptanceCriterion,
    Component,
    ComponentGroup,
    Discrepancy,
    DocumentationRequirement,
    ImmediateAction,
    Mitigation,
    MonitoringItem,
    PriorityTest,
    Profile,
    ReviewTrigger,
    Revision,
    Risk,
    TestingFocus,
)

_Entry = TypeVar("_Entry")

DRAFT_CODE = "DRAFT"
# An index entry of a GIN index holds less than a quarter of a page.
_LONGEST_COMPONENT = 500
_LONGEST_DRAFT = 2_000


@dataclass(frozen=True)
class Stored:
    """Where a document is kept, or would be; `changed` is False where it was kept already."""

    profile: str
    revision: int
    changed: bool


def preview(document: ProfileDocument) -> Stored:
    """What `store` would answer; writes nothing."""
    newest = _newest(Profile.objects.filter(key=document.profile).first())
    return _answer(document, newest)


def store(document: ProfileDocument) -> Stored:
    """Makes a new revision unless the newest one came from the same bytes."""
    with transaction.atomic():
        # Two imports of one profile wait for each other here, so that each sees the other's number.
        Profile.objects.get_or_create(
            key=document.profile,
            defaults={
                "slug": slugify(document.profile.replace(".", "-"), allow_unicode=True)[
                    :LONGEST_KEY
                ],
                "title": document.title,
                "methodology": document.methodology,
            },
        )
        profile = Profile.objects.select_for_update().get(key=document.profile)
        answer = _answer(document, _newest(profile))
        if answer.changed:
            profile.title, profile.methodology = document.title, document.methodology
            profile.save(update_fields=["title", "methodology"])
            _write(document, profile, answer.revision)
    return answer


def _newest(profile: Profile | None) -> Revision | None:
    return profile.revisions.order_by("-number").first() if profile else None


def _answer(document: ProfileDocument, newest: Revision | None) -> Stored:
    if newest is None:
        return Stored(document.profile, 1, True)
    if newest.sha256 == document.sha256:
        return Stored(document.profile, newest.number, False)
    return Stored(document.profile, newest.number + 1, True)


def _write(document: ProfileDocument, profile: Profile, number: int) -> None:
    revision = _revision(document, profile, number)
    revision.save()
    risks = [_risk(entry, revision, position) for position, entry in _numbered(document.risks)]
    if document.level == UNSTRUCTURED:
        risks.append(_draft(document, revision))
    Risk.objects.bulk_create(risks)
    _write_details(document.risks, risks)
    _write_sections(document, revision, _first_of_each_code(risks))
    Discrepancy.objects.bulk_create(_discrepancies(document, revision, risks))


def _revision(document: ProfileDocument, profile: Profile, number: int) -> Revision:
    summary = document.summary
    scores = [risk.score for risk in document.risks if risk.score is not None]
    is_rated = len(scores) == len(document.risks) and document.level != UNSTRUCTURED
    return Revision(
        profile=profile,
        number=number,
        sha256=document.sha256,
        source_name=PurePath(document.path).name,
        source_text=document.text,
        level=document.level,
        title=document.title,
        date=document.date,
        date_stated=document.date_stated,
        reviewer=document.reviewer,
        summary=summary.text,
        risks_stated=_number(summary.total),
        story_score_stated=_number(summary.score),
        story_score=story_score(scores, document.methodology) if is_rated else None,
        gate_stated=summary.gate.value if summary.gate else "",
        gate=document_gate(scores) if document.level != UNSTRUCTURED else "",
        tiers_stated={tier.tier: int(tier.stated.value) for tier in summary.tiers},
        categories_stated=[
            {"category": line.category, "count": line.count, "tiers": dict(line.tiers)}
            for line in summary.categories
        ],
    )


def _number(stated: Stated | None) -> int | None:
    return int(stated.value) if stated else None


def _risk(entry: RiskEntry, revision: Revision, position: int) -> Risk:
    return Risk(
        revision=revision,
        code=entry.code,
        occurrence=entry.occurrence,
        position=position,
        category=entry.category,
        title=entry.title,
        description=entry.description,
        probability=entry.probability.value,
        impact=entry.impact.value,
        priority=entry.priority or "",
        probability_stated=entry.probability.raw,
        impact_stated=entry.impact.raw,
        score_text=entry.score_raw,
        score_stated=entry.score_stated,
        priority_stated=entry.priority_stated,
        residual_level=entry.residual_level,
        residual=entry.residual,
        affected=list(dict.fromkeys(name[:_LONGEST_COMPONENT] for name in entry.affected)),
        origin=entry.origin,
        cells=[list(cell) for cell in entry.cells],
        line=entry.place.line,
        has_detail=entry.has_detail,
    )


def _draft(document: ProfileDocument, revision: Revision) -> Risk:
    """One risk for a person to complete, because the document names none that can be read."""
    return Risk(
        revision=revision,
        code=DRAFT_CODE,
        position=1,
        title=document.title,
        description=document.text[:_LONGEST_DRAFT],
        is_draft=True,
    )


def _write_details(entries: Iterable[RiskEntry], risks: Sequence[Risk]) -> None:
    pairs = list(zip(entries, risks, strict=False))
    Component.objects.bulk_create(
        Component(risk=risk, position=position, text=text)
        for entry, risk in pairs
        for position, text in _numbered(entry.components)
    )
    Mitigation.objects.bulk_create(
        Mitigation(risk=risk, position=position, heading=item.group, text=item.text)
        for entry, risk in pairs
        for position, item in _numbered(entry.mitigations)
    )
    TestingFocus.objects.bulk_create(
        TestingFocus(risk=risk, position=position, heading=item.group, text=item.text)
        for entry, risk in pairs
        for position, item in _numbered(entry.testing_focus)
    )


def _write_sections(document: ProfileDocument, revision: Revision, risks: dict[str, Risk]) -> None:
    PriorityTest.objects.bulk_create(
        PriorityTest(
            revision=revision,
            position=position,
            priority=test.priority,
            risk=risks.get(test.code),
            heading=test.label,
            text=test.text,
        )
        for position, test in _numbered(document.priority_tests)
    )
    AcceptanceCriterion.objects.bulk_create(
        AcceptanceCriterion(
            revision=revision,
            position=position,
            tier=criterion.tier,
            text=criterion.text,
            codes=list(criterion.codes),
            points=list(criterion.points),
        )
        for position, criterion in _numbered(document.acceptance)
    )
    ComponentGroup.objects.bulk_create(
        ComponentGroup(
            revision=revision,
            position=position,
            text=group.name,
            count_stated=group.count,
            codes=list(group.codes),
        )
        for position, group in _numbered(document.component_groups)
    )
    _write_lists(document, revision)


def _write_lists(document: ProfileDocument, revision: Revision) -> None:
    MonitoringItem.objects.bulk_create(
        MonitoringItem(revision=revision, position=position, heading=item.group, text=item.text)
        for position, item in _numbered(document.monitoring)
    )
    ReviewTrigger.objects.bulk_create(
        ReviewTrigger(revision=revision, position=position, text=text)
        for position, text in _numbered(document.review_triggers)
    )
    ImmediateAction.objects.bulk_create(
        ImmediateAction(revision=revision, position=position, text=text)
        for position, text in _numbered(document.immediate_actions)
    )
    DocumentationRequirement.objects.bulk_create(
        DocumentationRequirement(revision=revision, position=position, text=text)
        for position, text in _numbered(document.documentation)
    )


def _discrepancies(
    document: ProfileDocument, revision: Revision, risks: Sequence[Risk]
) -> Iterator[Discrepancy]:
    by_line = {(risk.code, risk.line): risk for risk in risks}
    by_code = _first_of_each_code(risks)
    for position, entry in _numbered(document.discrepancies):
        yield Discrepancy(
            revision=revision,
            risk=by_line.get((entry.risk or "", entry.place.line), by_code.get(entry.risk or "")),
            position=position,
            kind=entry.kind,
            where=entry.place.where,
            line=entry.place.line,
            subject=entry.subject,
            stated=entry.stated,
            computed=entry.computed,
        )


def _first_of_each_code(risks: Iterable[Risk]) -> dict[str, Risk]:
    return {risk.code: risk for risk in risks if risk.occurrence == 1}


def _numbered(items: Iterable[_Entry]) -> Iterator[tuple[int, _Entry]]:
    return enumerate(items, start=1)
