"""The page of the backups: which there are, which were proven, how long a restore takes."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.backups.catalogue import Proof
from apps.backups.models import BackupRow, VerificationRow
from apps.database.retries import read_again
from apps.risks.access import readers_only
from config.commands import manage

SHOWN = 60
BARS = 24
CHART_HEIGHT = 96
BAR_STEP, BAR_WIDTH = 20, 12


@dataclass(frozen=True)
class BackupLine:
    """A backup with its newest verification, if there was one."""

    row: BackupRow
    newest: VerificationRow | None

    @property
    def verdict(self) -> str:
        return self.newest.verdict if self.newest else "never restored"

    @property
    def state(self) -> str:
        """The name of the badge that the verdict has."""
        states = {Proof.PROVEN.value: "pass", Proof.NOT_PROVEN.value: "fail"}
        return states.get(self.verdict, "unknown")


@dataclass(frozen=True)
class Bar:
    """One successful restore in the chart; lengths in the units of its view box."""

    x: int
    y: int
    height: int
    seconds: float
    at: datetime


@dataclass(frozen=True)
class Chart:
    """Restore times, oldest first; None of them is shorter than a line."""

    bars: list[Bar]
    longest: float

    @property
    def width(self) -> int:
        return BARS * BAR_STEP


def chart_of(proofs: list[VerificationRow]) -> Chart:
    """The bars of successful restores, given oldest first."""
    longest = max((proof.restore_seconds for proof in proofs), default=0.0)
    bars = []
    for place, proof in enumerate(proofs):
        share = proof.restore_seconds / longest if longest else 0.0
        height = max(2, round(share * CHART_HEIGHT))
        bars.append(
            Bar(
                x=place * BAR_STEP + (BAR_STEP - BAR_WIDTH) // 2,
                y=CHART_HEIGHT - height,
                height=height,
                seconds=proof.restore_seconds,
                at=proof.verified_at,
            )
        )
    return Chart(bars, longest)


@require_safe
@read_again
@readers_only
def backups(request: HttpRequest) -> HttpResponse:
    """The newest backups with their verdicts, and the times of the newest restores."""
    rows = BackupRow.objects.newest_first().defer("content").prefetch_related("verifications")
    lines = [
        BackupLine(row, max(row.verifications.all(), key=lambda v: v.verified_at, default=None))
        for row in rows[:SHOWN]
    ]
    proofs = list(VerificationRow.objects.proven().newest_first().defer("content")[:BARS])
    proof = proofs[0] if proofs else None
    context = {
        "lines": lines,
        "count": BackupRow.objects.count(),
        "shown": SHOWN,
        "chart": chart_of(proofs[::-1]),
        "chart_height": CHART_HEIGHT,
        "bar_width": BAR_WIDTH,
        "proof": proof,
        "now": timezone.now(),
        "command": f"{manage('dbbackup')} && {manage('verify_backup --latest')}",
    }
    return render(request, "web/backups.html", context)
