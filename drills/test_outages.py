"""Outages under load, in every pooling mode: refused politely, recovered soon, nothing lost."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drills.faults import FAULTS
from drills.outages import HANG_SECONDS, MODES, Ledger, Outcome, Site, load, site, strike
from tests.programs import require, require_program

RECOVERY_SECONDS = 2.0
# The longest of: a statement's time-out with its margin, and connecting anew afterwards.
LONGEST_SECONDS = 8.0
ACKNOWLEDGED = 2000


def can_have_a_world_of_its_own() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


@pytest.fixture(scope="module", params=MODES)
def struck(request: pytest.FixtureRequest) -> Iterator[tuple[Site, Ledger]]:
    """A site in one pooling mode, under load."""
    require(can_have_a_world_of_its_own(), "root and mount namespaces (unshare)")
    if request.param == "pgbouncer":
        require_program("pgbouncer", "pgbouncer")
    with tempfile.TemporaryDirectory(prefix="holdfast-drill-", dir="/tmp") as folder:
        path = Path(folder)
        path.chmod(0o711)
        with site(request.param, path) as made, load(made) as ledger:
            yield made, ledger


@pytest.fixture(scope="module")
def outcomes(report: list[str]) -> Iterator[list[Outcome]]:
    found: list[Outcome] = []
    report.append(Outcome.HEADER)
    yield found
    report.extend(str(outcome) for outcome in found)
    total = sum(outcome.acknowledged for outcome in found)
    report.append(f"{total} writes acknowledged")


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_fault_costs_patience_and_nothing_else(
    struck: tuple[Site, Ledger], fault: str, outcomes: list[Outcome]
) -> None:
    made, ledger = struck
    outcome = strike(made, ledger, fault, FAULTS[fault])
    outcomes.append(outcome)
    assert set(outcome.statuses) <= {201, 503}, f"{outcome}\n{made.tracebacks()}"
    assert set(outcome.page_statuses) <= {200, 302, 503}, f"{outcome}\n{made.tracebacks()}"
    assert outcome.in_flight >= 20, outcome
    assert outcome.longest_seconds < min(LONGEST_SECONDS, HANG_SECONDS), outcome
    assert outcome.recovery_seconds < RECOVERY_SECONDS, outcome
    assert (outcome.lost, outcome.doubled, outcome.rude) == (0, 0, 0), outcome


def test_enough_writes_were_acknowledged(outcomes: list[Outcome]) -> None:
    assert sum(outcome.acknowledged for outcome in outcomes) >= ACKNOWLEDGED
