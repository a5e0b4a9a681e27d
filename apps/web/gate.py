"""The page of the gate: its word, what is missing in the order of what to do, and who accepted."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.database.retries import read_again
from apps.risks.access import readers_only
from apps.risks.decisions import decisions_of
from apps.risks.gate import Gate, judge_gate
from apps.risks.models import Acceptance, Profile
from apps.risks.reviews import trigger_lines
from apps.web.register import chosen_revision, current_revisions, empty
from config.commands import manage

SHOWN = 30


@dataclass(frozen=True)
class AcceptanceLine:
    """An acceptance and its state now."""

    acceptance: Acceptance
    state: str


@require_safe
@read_again
@readers_only
def gate(request: HttpRequest) -> HttpResponse:
    """The gate of the newest profile, or of the one that `?profile=` names."""
    revisions = current_revisions()
    if not revisions:
        return empty(request)
    now = timezone.now()
    revision = chosen_revision(revisions, request.GET.get("profile"))
    found = judge_gate(revision, now)
    context = {
        "gate": found,
        "groups": _groups(found),
        "acceptances": _acceptances(revision.profile, now),
        "triggers": trigger_lines(),
        "decisions": decisions_of(revision.profile),
        "others": [other for other in revisions if other.pk != revision.pk],
        "command": manage(f"gate {revision.profile.slug}"),
    }
    return render(request, "web/gate.html", context)


def _groups(found: Gate) -> list[tuple[str, str, list[object]]]:
    """The risks in two groups: a heading, its key in the page, and the rows."""
    must_fix: list[object] = [row for row in found.risks if row.must_fix]
    others: list[object] = [row for row in found.risks if not row.must_fix]
    return [("Must be fixed", "must-fix", must_fix), ("Others", "others", others)]


def _acceptances(profile: Profile, now: datetime) -> list[AcceptanceLine]:
    """The newest acceptances, expired and withdrawn ones too: an end is news."""
    found = (
        Acceptance.objects.of_profile(profile)
        .select_related("risk", "accepted_by", "approved_by")
        .defer("risk__search_vector", "risk__description", "risk__cells")
    )
    return [AcceptanceLine(row, row.state(now)) for row in found[:SHOWN]]
