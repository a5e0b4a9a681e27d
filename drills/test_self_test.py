"""Every control of the catalogue is proven by its specimens, on scratch servers."""

from typing import Any

import pytest

from apps.controls.discovery import all_controls, select
from apps.controls.selftest import self_test, tls_binaries
from tests.programs import require

RISKS = sorted({control.risk for control in all_controls()})


@pytest.mark.parametrize("risk", RISKS)
def test_every_specimen_of_the_risk_is_killed(
    risk: str, django_db_blocker: Any, report: list[str]
) -> None:
    controls = select(all_controls(), risks=[risk])
    if any(specimen.needs == "tls" for control in controls for specimen in control.specimens):
        require(tls_binaries() is not None, "a PostgreSQL with OpenSSL, and openssl")
    with django_db_blocker.unblock():
        found = self_test(controls)
    report.append(f"{risk}: {found.controls} controls, {found.killed} of {found.specimens} killed")
    assert found.failures == []
    assert found.killed == found.specimens > 0
    assert (found.not_run, found.exit_code) == ([], 0)
