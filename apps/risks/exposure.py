"""What a risk exposes us to now: the assessed score stays, and evidence earns the rest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import QuerySet

from apps.controls.models import Verdict
from apps.risks.method import RATING_WORDS
from apps.risks.models import Risk

FRESH_FOR = timedelta(days=1)
_LEVELS = {word.lower(): number for number, word in RATING_WORDS.items()}


class Standing(StrEnum):
    """In one word, what the verdicts say about a risk."""

    HELD = "held"
    FAILING = "failing"
    UNKNOWN = "unknown"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Seen:
    """One control's newest verdict: its state and when it was given."""

    state: str
    at: datetime


@dataclass(frozen=True)
class Exposure:
    """The current exposure: the residual level while the risk is held, else the assessed score."""

    standing: Standing
    level: str
    reason: str
    seen_at: datetime | None = None


def exposure(
    score: int | None, priority: str, residual_level: str, seen: Sequence[Seen], now: datetime
) -> Exposure:
    """Judge one risk from the newest verdict of each of its controls.

    Any failure counts first, then anything that could not be seen or is older than a day.
    """
    assessed = f"{priority} ({score})" if score is not None else "not rated"
    seen_at = max((verdict.at for verdict in seen), default=None)
    applicable = [verdict for verdict in seen if verdict.state != Verdict.State.NOT_APPLICABLE]
    failing = sum(verdict.state == Verdict.State.FAIL for verdict in applicable)
    unseen = sum(verdict.state == Verdict.State.UNKNOWN for verdict in applicable)
    stale = any(now - verdict.at > FRESH_FOR for verdict in applicable)
    if failing:
        reason = f"{_count(failing, 'control')} of {len(applicable)} failed."
        return Exposure(Standing.FAILING, assessed, reason, seen_at)
    if unseen:
        reason = f"{_count(unseen, 'control')} of {len(applicable)} could not see."
        return Exposure(Standing.UNKNOWN, assessed, reason, seen_at)
    if stale:
        return Exposure(Standing.UNKNOWN, assessed, "The evidence is older than a day.", seen_at)
    if not applicable:
        why = "No control applies here." if seen else "No control has judged it."
        return Exposure(Standing.NOT_JUDGED, assessed, why, seen_at)
    if residual_level.lower() not in _LEVELS:
        why = "All controls pass, but the profile states no residual risk to fall back to."
        return Exposure(Standing.NOT_JUDGED, assessed, why, seen_at)
    reason = f"{_count(len(applicable), 'control')} passed."
    return Exposure(Standing.HELD, f"{residual_level} residual", reason, seen_at)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class RiskStanding:
    """A risk of the register with its current exposure."""

    risk: Risk
    exposure: Exposure


def standings(risks: Iterable[Risk], now: datetime) -> list[RiskStanding]:
    """Each risk with its exposure, highest score first, then in the document's order.

    One query for the verdicts, however many risks there are.
    """
    risks = list(risks)
    return _standings(risks, _newest({risk.code for risk in risks}), now)


async def astandings(risks: Sequence[Risk], now: datetime) -> list[RiskStanding]:
    """`standings` for asynchronous code."""
    rows = [row async for row in _newest({risk.code for risk in risks})]
    return _standings(risks, rows, now)


def _newest(codes: set[str]) -> QuerySet[Verdict, tuple[str, str, datetime]]:
    """Risk, state and time of each control's newest verdict."""
    return (
        Verdict.objects.filter(risk__in=codes)
        .latest_by_control()
        .values_list("risk", "state", "assessment__started_at")
    )


def _standings(
    risks: Sequence[Risk], rows: Iterable[tuple[str, str, datetime]], now: datetime
) -> list[RiskStanding]:
    seen: dict[str, list[Seen]] = {}
    for code, state, at in rows:
        seen.setdefault(code, []).append(Seen(state, at))
    found = [
        RiskStanding(
            risk,
            exposure(risk.score, risk.priority, risk.residual_level, seen.get(risk.code, []), now),
        )
        for risk in risks
    ]
    return sorted(found, key=lambda row: (-(row.risk.score or 0), row.risk.position))
