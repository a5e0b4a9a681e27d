"""Which reviews of the profile are due: what has changed since somebody looked at it last."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import Q

from apps.controls.models import Assessment
from apps.risks.lifetimes import ENDS, end_of
from apps.risks.models import Review, Trigger
from apps.risks.models.review import DUE, NOT_DUE, TRIGGERS, UNKNOWN
from apps.risks.vulnerabilities import CannotAudit
from apps.schema.models import MigrationOutcome, MigrationRun
from config.commands import manage

# What goes on being wrong, such as a version past its end, is looked at again after this.
AGAIN = timedelta(days=90)
# The parts of an assessment's surroundings that a change of makes a review due.
COMPARED = ("versions", "schema", "pool", "joined")


@dataclass(frozen=True)
class Judgement:
    """One trigger now: due, not due or unknown, why, and the facts, as JSON."""

    trigger: str
    state: str
    reason: str
    seen: Any = None


def judge_reviews(
    live: Mapping[str, Any], now: datetime, audit: Callable[[], list[str]]
) -> list[Judgement]:
    """Judge every trigger. `live` are the surroundings now, `audit` asks for vulnerabilities."""
    done = {review.trigger: review for review in Review.objects.done().order_by("done_at", "pk")}
    found = [_compared(part, live.get(part), done.get(part)) for part in COMPARED]
    found.append(_migrations(done.get("migrations"), now))
    found.append(_lifetimes(live["versions"], done.get("lifetimes"), now))
    found.append(_vulnerabilities(audit, done.get("vulnerabilities"), now))
    return found


def _compared(part: str, live: Any, done: Review | None) -> Judgement:
    """Against what was seen at the last review, else around the first assessment on record."""
    before = (done.seen, done.done_at) if done else _first_recorded(part)
    if before is None:
        why = f"No assessment has recorded it yet; record one: {manage('assess')}"
        return Judgement(part, UNKNOWN, why, live)
    seen, at = before
    since = f"since {at:%Y-%m-%d %H:%M} UTC"
    if live is None or seen is None:
        return Judgement(part, UNKNOWN, f"It could not be seen, {since} or now.", live)
    if live == seen:
        return Judgement(part, NOT_DUE, f"Nothing has changed {since}.", live)
    if not isinstance(live, dict) or not isinstance(seen, dict):
        return Judgement(part, DUE, f"It has changed {since}.", live)
    changes = "; ".join(_changes(seen, live))
    return Judgement(part, DUE, f"Changed {since}: {changes}.", live)


def _first_recorded(part: str) -> tuple[Any, datetime] | None:
    row = (
        Assessment.objects.filter(database=DEFAULT_DB_ALIAS, surroundings__has_key=part)
        .order_by("sequence")
        .values_list("surroundings", "started_at")
        .first()
    )
    if row is None or row[0] is None:
        return None
    return row[0][part], row[1]


def _changes(seen: Mapping[str, Any], live: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(seen.keys() | live.keys()):
        if seen.get(name) != live.get(name):
            yield f"{name} {_said(seen.get(name))} → {_said(live.get(name))}"


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _migrations(done: Review | None, now: datetime) -> Judgement:
    """Runs of migrate that failed, or that nobody saw the end of, since the last review."""
    silent_since = now - timedelta(seconds=settings.LONG_COMMAND_SECONDS)
    ended_badly = ~Q(outcome__result=MigrationOutcome.Result.DONE) & Q(outcome__isnull=False)
    runs = MigrationRun.objects.filter(
        ended_badly | Q(outcome__isnull=True, started_at__lt=silent_since)
    ).select_related("outcome")
    if done is not None and done.done_at is not None:
        runs = runs.filter(started_at__gt=done.done_at)
    failed = [f"{run.started_at:%Y-%m-%d %H:%M} UTC {_end_of(run)}" for run in runs.newest_first()]
    if not failed:
        return Judgement("migrations", NOT_DUE, "No run of migrate has failed.", [])
    reason = f"{len(failed)} runs of migrate did not end well, the newest: {failed[0]}."
    return Judgement("migrations", DUE, reason, failed)


def _end_of(run: MigrationRun) -> str:
    outcome = getattr(run, "outcome", None)
    return outcome.get_result_display() if outcome else "never ended"


def _lifetimes(versions: Mapping[str, str], done: Review | None, now: datetime) -> Judgement:
    past, unknown = [], []
    for product in ENDS:
        end = end_of(product, versions[product])
        if end is None:
            unknown.append(f"{product} {versions[product]}")
        elif end < now.date():
            past.append(f"{product} {versions[product]} ended on {end}")
    if past:
        return _lasting("lifetimes", past, f"{'; '.join(past)}.", done, now)
    if unknown:
        why = f"Nothing is known here about the end of {', '.join(unknown)}."
        return Judgement("lifetimes", UNKNOWN, why, [])
    return Judgement("lifetimes", NOT_DUE, "Server, Python and Django are maintained.", [])


def _vulnerabilities(
    audit: Callable[[], list[str]], done: Review | None, now: datetime
) -> Judgement:
    try:
        found = audit()
    except CannotAudit as answer:
        return Judgement("vulnerabilities", UNKNOWN, str(answer))
    if not found:
        return Judgement("vulnerabilities", NOT_DUE, "None is known of what is locked.", [])
    reason = f"{len(found)} known: {'; '.join(found[:5])}{'; …' if len(found) > 5 else ''}."
    return _lasting("vulnerabilities", found, reason, done, now)


def _lasting(
    trigger: str, facts: list[str], reason: str, done: Review | None, now: datetime
) -> Judgement:
    """Due, unless somebody has looked at just these facts not long ago."""
    looked_at = done.done_at if done is not None and done.seen == facts else None
    if looked_at is not None and now - looked_at < AGAIN:
        why = f"{reason} Looked at on {looked_at:%Y-%m-%d}, again after {AGAIN.days} days."
        return Judgement(trigger, NOT_DUE, why, facts)
    return Judgement(trigger, DUE, reason, facts)


def record_reviews(judgements: list[Judgement], now: datetime) -> None:
    """Write down what was seen; what is due makes a review, once until it is done."""
    with transaction.atomic():
        for judgement in judgements:
            Trigger.objects.update_or_create(
                name=judgement.trigger,
                defaults={"state": judgement.state, "reason": judgement.reason, "judged_at": now},
            )
            if judgement.state == DUE:
                said = {"reason": judgement.reason, "seen": judgement.seen}
                Review.objects.update_or_create(
                    trigger=judgement.trigger,
                    done_at=None,
                    defaults=said,
                    create_defaults={**said, "due_since": now},
                )


@dataclass(frozen=True)
class TriggerLine:
    """A trigger as it is shown: its last judgement, and its review where one is due."""

    name: str
    title: str
    state: str
    reason: str
    judged_at: datetime | None
    review: Review | None


def trigger_lines() -> list[TriggerLine]:
    """Every trigger; a review that is due stays due though its trigger may be quiet again."""
    judged = {trigger.name: trigger for trigger in Trigger.objects.all()}
    due = {review.trigger: review for review in Review.objects.due()}
    return [_line(name, title, judged.get(name), due.get(name)) for name, title in TRIGGERS.items()]


def _line(name: str, title: str, judged: Trigger | None, review: Review | None) -> TriggerLine:
    at = judged.judged_at if judged else None
    if review is not None:
        return TriggerLine(name, title, DUE, review.reason, at, review)
    if judged is None:
        why = f"Nobody has looked yet: {manage('reviews')}"
        return TriggerLine(name, title, UNKNOWN, why, None, None)
    # Somebody has done the review since it was found due.
    state = NOT_DUE if judged.state == DUE else judged.state
    reason = "Reviewed since it was due." if judged.state == DUE else judged.reason
    return TriggerLine(name, title, state, reason, at, None)
