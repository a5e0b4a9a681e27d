"""The pages: the register, one risk, search."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import aget_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.controls.control import Control
from apps.controls.discovery import all_controls
from apps.controls.models import Verdict
from apps.database.retries import read_again
from apps.risks.access import readers_only
from apps.risks.exposure import RiskStanding, astandings
from apps.risks.method import RATING_WORDS
from apps.risks.models import Risk
from apps.risks.models.risk import LONGEST_QUERY, searchable
from apps.web.register import build, chosen_revision, current_revisions, empty

RESULTS_A_PAGE = 50
HISTORY = 10


# Templates read what nobody has loaded yet, such as who has signed in: never on the event loop.
arender = sync_to_async(render)


@require_safe
@read_again
@readers_only
def register(request: HttpRequest) -> HttpResponse:
    """The newest profile, or the one that `?profile=` names; `?p=` and `?i=` filter the list."""
    revisions = current_revisions()
    if not revisions:
        return empty(request)
    found = build(chosen_revision(revisions, request.GET.get("profile")), revisions)
    probability, impact = _rating(request, "p"), _rating(request, "i")
    rows = [
        row
        for row in found.rows
        if probability in (None, row.risk.probability) and impact in (None, row.risk.impact)
    ]
    context = {
        "register": found,
        "rows": rows,
        "probability": probability,
        "impact": impact,
        "impact_words": [RATING_WORDS[number] for number in (1, 2, 3)],
    }
    return render(request, "web/register.html", context)


def _rating(request: HttpRequest, name: str) -> int | None:
    """A rating from 1 to 3 that the address asks for; anything else filters nothing."""
    value = request.GET.get(name, "")
    return int(value) if value in ("1", "2", "3") else None


@dataclass(frozen=True)
class JudgedControl:
    """A control of the catalogue with its newest verdict and its history, newest first."""

    control: Control
    verdict: Verdict | None
    history: list[Verdict]


@require_safe
@read_again
@readers_only
async def risk(request: HttpRequest, key: UUID) -> HttpResponse:
    """One risk with what the document says, its controls and their evidence."""
    found = await aget_object_or_404(
        Risk.objects.select_related("revision__profile").prefetch_related(
            "mitigations", "testing_focus", "components", "discrepancies", "priority_tests"
        ),
        pk=key,
    )
    (standing,) = await astandings([found], timezone.now())
    context: dict[str, Any] = {
        "risk": found,
        "standing": standing,
        "controls": await _judged_controls(found.code),
        "probability_word": RATING_WORDS.get(found.probability or 0),
        "impact_word": RATING_WORDS.get(found.impact or 0),
    }
    return await arender(request, "web/risk.html", context)


async def _judged_controls(code: str) -> list[JudgedControl]:
    controls = [control for control in all_controls() if control.risk == code]
    verdicts = (
        Verdict.objects.for_risk(code)
        .select_related("assessment")
        .order_by("-assessment__sequence")[: HISTORY * max(1, len(controls))]
    )
    by_control: dict[str, list[Verdict]] = {}
    async for verdict in verdicts:
        by_control.setdefault(verdict.control, []).append(verdict)
    return [
        JudgedControl(control, next(iter(history), None), history[:HISTORY])
        for control in controls
        for history in [by_control.get(control.id, [])]
    ]


@require_safe
@read_again
@readers_only
async def search(request: HttpRequest) -> HttpResponse:
    """The risks of current revisions that a person's words find, best first."""
    asked = request.GET.get("q", "")
    words = searchable(asked)
    found = Risk.objects.current().select_related("revision__profile").search(words)
    page = await _page(found, request.GET.get("page"))
    rows: list[RiskStanding] = await astandings(list(page.object_list), timezone.now())
    order = {item.pk: place for place, item in enumerate(page.object_list)}
    context = {
        "asked": bool(asked.strip()),
        "words": words,
        "shortened": len(asked) > LONGEST_QUERY,
        "longest": LONGEST_QUERY,
        "page": page,
        "rows": sorted(rows, key=lambda row: order[row.risk.pk]),
    }
    return await arender(request, "web/search.html", context)


@sync_to_async
def _page(found: QuerySet[Risk], number: str | None) -> Page[Risk]:
    """One page of the results, loaded: Django's paginator has no asynchronous form before 6.0."""
    page = Paginator(found, RESULTS_A_PAGE).get_page(number)
    page.object_list = list(page.object_list)
    return page
