"""The page of the migrations: what was run and rehearsed, how long it took and how it ended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.database.retries import read_again
from apps.risks.access import readers_only
from apps.schema.models import MigrationOutcome, MigrationRun, Rehearsal
from config.commands import manage

RUNS, REHEARSALS = 20, 10
# Of a long plan the slowest are drawn, and the whole of it is behind a word.
DRAWN = 8
BAR_LENGTH, BAR_HEIGHT = 100, 8
RESULTS = {"done": "pass", "interrupted": "unknown"}
VERDICTS = {"safe": "pass", "caution": "unknown", "unsafe": "fail"}


@dataclass(frozen=True)
class Step:
    """One migration of a plan; `seconds` is None where it did not come to its end.

    `state` is the name of the badge that `word` has, and `length` that of the bar in its view box.
    """

    name: str
    seconds: float | None
    length: int = 0
    word: str = ""
    state: str = "unknown"
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Steps:
    """A plan's migrations, and those of them that are drawn."""

    drawn: list[Step]
    every: list[Step]

    @property
    def are_all_drawn(self) -> bool:
        return len(self.drawn) == len(self.every)

    @property
    def seconds(self) -> float:
        return sum(step.seconds or 0 for step in self.every)


def steps_of(found: Iterable[Step]) -> Steps:
    """The steps with their bars; drawn are the slowest and what has a remark, in their order."""
    found = list(found)
    longest = max((step.seconds or 0 for step in found), default=0)
    every = [_with_bar(step, longest) for step in found]
    ranked = sorted(every, key=lambda step: (not step.remarks, -(step.seconds or 0)))[:DRAWN]
    return Steps([step for step in every if step in ranked], every)


def _with_bar(step: Step, longest: float) -> Step:
    if step.seconds is None:
        return step
    share = step.seconds / longest if longest else 0
    # Even the shortest is seen.
    length = max(1, round(share * BAR_LENGTH))
    return Step(step.name, step.seconds, length, step.word, step.state, step.remarks)


@dataclass(frozen=True)
class RunCard:
    """One run of `migrate`, and its end where one was written down."""

    run: MigrationRun
    outcome: MigrationOutcome | None
    steps: Steps

    @property
    def word(self) -> str:
        return self.outcome.get_result_display() if self.outcome else "under way, or killed"

    @property
    def state(self) -> str:
        return RESULTS.get(self.outcome.result, "fail") if self.outcome else "unknown"

    @property
    def took(self) -> timedelta | None:
        """Of a killed run nobody knows it: its end was written down by the next one."""
        if self.outcome is None or self.outcome.result == MigrationOutcome.Result.KILLED:
            return None
        return self.outcome.ended_at - self.run.started_at


@dataclass(frozen=True)
class RehearsalCard:
    """One rehearsal with the verdict of each migration."""

    row: Rehearsal
    steps: Steps

    @property
    def state(self) -> str:
        return "pass" if self.row.safe else "fail"


def run_card(run: MigrationRun) -> RunCard:
    outcome: MigrationOutcome | None = getattr(run, "outcome", None)
    durations: Mapping[str, float] = outcome.durations if outcome else {}
    return RunCard(run, outcome, steps_of(Step(name, durations.get(name)) for name in run.plan))


def rehearsal_card(row: Rehearsal) -> RehearsalCard:
    report: Mapping[str, Any] = row.report
    steps = [_rehearsed(said) for said in report["migrations"]]
    steps += [Step(name, None, word="not reached") for name in report["not_reached"]]
    return RehearsalCard(row, steps_of(steps))


def _rehearsed(said: Mapping[str, Any]) -> Step:
    details: Mapping[str, str] = said["details"]
    remarks: Sequence[str] = [f"{hazard}: {details[hazard]}" for hazard in said["hazards"]]
    verdict = str(said["verdict"])
    return Step(
        name=f"{said['app']}.{said['name']}",
        # What it would take at the real sizes, where the copy was smaller.
        seconds=said["duration_seconds_scaled"] or said["duration_seconds"],
        word=verdict,
        state=VERDICTS.get(verdict, "unknown"),
        remarks=tuple(remarks),
    )


@require_safe
@read_again
@readers_only
def migrations(request: HttpRequest) -> HttpResponse:
    """The newest runs and rehearsals, each with how long every migration took."""
    runs = MigrationRun.objects.newest_first().select_related("outcome")[:RUNS]
    rehearsals = Rehearsal.objects.newest_first()[:REHEARSALS]
    context = {
        "runs": [run_card(run) for run in runs],
        "run_count": MigrationRun.objects.count(),
        "runs_shown": RUNS,
        "rehearsals": [rehearsal_card(row) for row in rehearsals],
        "rehearsal_count": Rehearsal.objects.count(),
        "rehearsals_shown": REHEARSALS,
        "bar_length": BAR_LENGTH,
        "bar_height": BAR_HEIGHT,
        "migrate": manage("migrate"),
        "rehearse": manage("rehearse_migrations"),
    }
    return render(request, "web/migrations.html", context)
