"""The words of states, the same in every report."""

from collections.abc import Mapping

from apps.controls.assess import Report
from apps.controls.control import State

MARKS = {
    State.PASS: "pass",
    State.FAIL: "FAIL",
    State.UNKNOWN: "unknown",
    State.NOT_APPLICABLE: "n/a",
}
NAMES = {
    State.FAIL: "fail",
    State.UNKNOWN: "unknown",
    State.PASS: "pass",
    State.NOT_APPLICABLE: "not applicable",
}


def counts(numbers: Mapping[State, int]) -> str:
    """Such as `1 fail · 3 pass`; states that nothing has are left out."""
    return " · ".join(f"{numbers[state]} {name}" for state, name in NAMES.items() if numbers[state])


def totals_line(report: Report) -> str:
    totals = report.totals
    return (
        f"{totals['pass']} pass · {totals['fail']} fail · {totals['unknown']} unknown · "
        f"{totals['not_applicable']} not applicable"
    )
