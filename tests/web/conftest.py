"""A register with our own profile, and one recorded assessment."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command

from apps.controls.assess import assess, own_target, record
from apps.controls.discovery import all_controls, select
from apps.database.server import Cluster
from apps.risks.models import Risk
from config.env import BASE_DIR
from tests import environment


@pytest.fixture
def profile(transactional_db: None) -> None:
    call_command("import_profile", str(BASE_DIR / "docs" / "risk-profile.md"), verbosity=0)


@pytest.fixture
def assessed(profile: None, cluster: Cluster) -> Iterator[None]:
    """The register with verdicts about SEC-005, SEC-004 and PERF-002."""
    controls = select(all_controls(), risks=["SEC-005", "SEC-004", "PERF-002"])
    # The first has no baseline to compare visitors with (SEC-005.9).
    for _ in range(2):
        record(assess(own_target(), controls), complete=False)
    yield
    with cluster.connect(environment.DATABASE) as owner:
        owner.execute("TRUNCATE controls_verdict, controls_assessment")


@pytest.fixture
def sec_005(assessed: None) -> Risk:
    return Risk.objects.get(code="SEC-005")
