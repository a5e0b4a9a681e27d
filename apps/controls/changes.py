"""What is different from when each control was judged last."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.controls import models
from apps.controls.control import State, Verdict, finding_as_json
from apps.database.connection import acting_as


@dataclass(frozen=True)
class Recorded:
    """What the newest recorded verdict of a control said, and when its assessment began."""

    state: State
    findings: tuple[tuple[str, str], ...]
    assessed_at: datetime


@dataclass(frozen=True)
class Change:
    """One control whose state or findings are others than before; findings by subject and title."""

    control: str
    before: State | None
    after: State
    new: tuple[tuple[str, str], ...]
    gone: tuple[tuple[str, str], ...]
    assessed_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        return {
            "control": self.control,
            "before": str(self.before) if self.before else None,
            "after": str(self.after),
            "new": [{"subject": subject, "title": title} for subject, title in self.new],
            "gone": [{"subject": subject, "title": title} for subject, title in self.gone],
            "assessed_at": self.assessed_at.isoformat() if self.assessed_at else None,
        }


def newest_verdicts(database: str) -> dict[str, Recorded]:
    """The newest recorded verdict of each control about a database, read as the auditor.

    Raises DatabaseError where the evidence cannot be read.
    """
    with acting_as("auditor"):
        rows = (
            models.Verdict.objects.filter(assessment__database=database)
            .latest_by_control()
            .select_related("assessment")
        )
        return {
            row.control: Recorded(State(row.state), _named(row.findings), row.assessment.started_at)
            for row in rows
        }


def changes(verdicts: Iterable[Verdict], before: Mapping[str, Recorded]) -> tuple[Change, ...]:
    """What changed, in the order of the verdicts; a control judged for the first time is new."""
    found = []
    for verdict in verdicts:
        last = before.get(verdict.control)
        now = _named(map(finding_as_json, verdict.findings))
        then = last.findings if last else ()
        new = tuple(name for name in now if name not in then)
        gone = tuple(name for name in then if name not in now)
        if last is None or last.state is not verdict.state or new or gone:
            found.append(
                Change(
                    verdict.control,
                    last.state if last else None,
                    verdict.state,
                    new,
                    gone,
                    last.assessed_at if last else None,
                )
            )
    return tuple(found)


def _named(findings: Iterable[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """What a finding is known by again: details hold numbers that change by themselves."""
    return tuple(dict.fromkeys((finding["subject"], finding["title"]) for finding in findings))
