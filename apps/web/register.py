"""What the register shows, on its page and in the terminal: one profile and its verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from apps.controls.models import Assessment, Verdict
from apps.risks.exposure import FRESH_FOR, RiskStanding, Standing, standings
from apps.risks.gate import Gate, judge_gate
from apps.risks.method import RATING_WORDS
from apps.risks.models import Discrepancy, Review, Revision
from apps.web.suggestions import Suggestion, suggestions
from config.commands import manage


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix: a probability and an impact, and the risks assessed so."""

    probability: int
    impact: int
    count: int

    @property
    def score(self) -> int:
        return self.probability * self.impact


@dataclass(frozen=True)
class MatrixRow:
    """The cells of one probability, by impact from low to high."""

    probability: int
    word: str
    cells: list[Cell]


@dataclass(frozen=True)
class Register:
    """One profile's current revision, as it is shown."""

    revision: Revision
    others: list[Revision]
    rows: list[RiskStanding]
    matrix: list[MatrixRow]
    discrepancies: list[Discrepancy]
    assessment: Assessment | None
    stale: bool
    counts: dict[str, int]
    gate: Gate
    reviews_due: int
    suggestions: list[Suggestion]


def current_revisions() -> list[Revision]:
    """Every profile's current revision, the newest import first."""
    found = Revision.objects.current().defer("source_text").select_related("profile")
    return list(found.order_by("-imported_at"))


def chosen_revision(revisions: Sequence[Revision], slug: str | None) -> Revision:
    """The one that an address names, else the newest import; 404 for a name that none has."""
    if not slug:
        return revisions[0]
    for revision in revisions:
        if revision.profile.slug == slug:
            return revision
    raise Http404("There is no such profile.")


def empty(request: HttpRequest) -> HttpResponse:
    """What is shown as long as there is no profile."""
    command = manage("import_profile docs/risk-profile.md")
    return render(request, "web/empty.html", {"command": command})


def build(revision: Revision, revisions: Sequence[Revision]) -> Register:
    """All that the register shows of one revision; a bounded number of queries."""
    now = timezone.now()
    risks = revision.risks.defer("search_vector", "cells")
    rows = standings(risks, now)
    assessment = Assessment.objects.newest()
    discrepancies = list(revision.discrepancies.select_related("risk").order_by("position"))
    failing = Verdict.objects.latest_by_control().values_list("control", "state")
    return Register(
        revision=revision,
        others=[other for other in revisions if other.pk != revision.pk],
        rows=rows,
        matrix=matrix(rows),
        discrepancies=discrepancies,
        assessment=assessment,
        stale=assessment is not None and is_stale(assessment.started_at, now),
        counts={
            standing.value: sum(row.exposure.standing is standing for row in rows)
            for standing in Standing
        },
        gate=judge_gate(revision, now, [row.risk for row in rows], discrepancies),
        reviews_due=Review.objects.due().count(),
        suggestions=suggestions({control for control, state in failing if state == "fail"}),
    )


def is_stale(at: datetime, now: datetime) -> bool:
    return now - at > FRESH_FOR


def matrix(rows: Sequence[RiskStanding]) -> list[MatrixRow]:
    """The 3 × 3 matrix, the highest probability on top."""
    rated = [(row.risk.probability, row.risk.impact) for row in rows]
    return [
        MatrixRow(
            probability,
            RATING_WORDS[probability],
            [Cell(probability, impact, rated.count((probability, impact))) for impact in (1, 2, 3)],
        )
        for probability in (3, 2, 1)
    ]
