"""Evidence earns the residual level, and nothing else does."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.risks.exposure import Seen, Standing, exposure

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FRESH = NOW - timedelta(hours=23)
STALE = NOW - timedelta(hours=25)


@pytest.mark.parametrize(
    ("states", "at", "residual", "standing", "level"),
    [
        (["pass"], FRESH, "Low", Standing.HELD, "Low residual"),
        (["pass", "not_applicable"], FRESH, "Medium", Standing.HELD, "Medium residual"),
        (["pass", "fail"], FRESH, "Low", Standing.FAILING, "High (6)"),
        (["fail", "unknown"], STALE, "Low", Standing.FAILING, "High (6)"),
        (["pass", "unknown"], FRESH, "Low", Standing.UNKNOWN, "High (6)"),
        (["pass"], STALE, "Low", Standing.UNKNOWN, "High (6)"),
        ([], FRESH, "Low", Standing.NOT_JUDGED, "High (6)"),
        (["not_applicable"], FRESH, "Low", Standing.NOT_JUDGED, "High (6)"),
        (["not_applicable"], STALE, "Low", Standing.NOT_JUDGED, "High (6)"),
        (["pass"], FRESH, "", Standing.NOT_JUDGED, "High (6)"),
        (["pass"], FRESH, "small", Standing.NOT_JUDGED, "High (6)"),
    ],
)
def test_the_standing_follows_from_the_verdicts(
    states: list[str], at: datetime, residual: str, standing: Standing, level: str
) -> None:
    found = exposure(6, "High", residual, [Seen(state, at) for state in states], NOW)
    assert (found.standing, found.level) == (standing, level)
    assert found.reason


def test_one_stale_verdict_among_fresh_ones_is_not_held() -> None:
    found = exposure(6, "High", "Low", [Seen("pass", FRESH), Seen("pass", STALE)], NOW)
    assert (found.standing, found.reason) == (
        Standing.UNKNOWN,
        "The evidence is older than a day.",
    )


def test_a_risk_without_a_rating_says_so() -> None:
    assert exposure(None, "", "", [], NOW).level == "not rated"


def test_the_reason_counts() -> None:
    seen = [Seen("fail", FRESH), Seen("pass", FRESH), Seen("not_applicable", FRESH)]
    assert exposure(6, "High", "Low", seen, NOW).reason == "1 control of 2 failed."
