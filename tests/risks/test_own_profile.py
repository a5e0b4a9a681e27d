"""Our own profile holds the twenty-three risks, whole and without contradiction."""

import pytest
from django.core.management import call_command

from apps.risks.models import Discrepancy, Revision, Risk
from config.env import BASE_DIR

pytestmark = pytest.mark.django_db

PROFILE = BASE_DIR / "docs" / "risk-profile.md"
ASSESSED = {
    **dict.fromkeys(("TECH-001", "TECH-003", "SEC-001", "SEC-004", "DATA-002"), (2, 3)),
    **dict.fromkeys(("TECH-002", "TECH-005", "PERF-001", "OPS-001", "OPS-002"), (2, 2)),
    **dict.fromkeys(("TECH-004", "TECH-006", "SEC-002", "SEC-005", "PERF-002"), (1, 3)),
    **dict.fromkeys(("DATA-001", "DATA-003", "DATA-004"), (1, 3)),
    **dict.fromkeys(("SEC-003", "PERF-003", "DATA-005"), (1, 2)),
    **dict.fromkeys(("OPS-003", "OPS-004"), (2, 1)),
}


def test_it_imports_whole_and_without_a_contradiction() -> None:
    call_command("import_profile", str(PROFILE), verbosity=0)
    revision = Revision.objects.get()
    assert revision.level == "full"
    assert list(Discrepancy.objects.values_list("kind", "stated", "computed")) == []
    risks = {risk.code: (risk.probability, risk.impact) for risk in Risk.objects.all()}
    assert risks == ASSESSED
    for risk in Risk.objects.all():
        assert risk.has_detail, risk.code
        assert risk.description, risk.code
        assert risk.residual_level, risk.code
        assert risk.mitigations.count() >= 2, risk.code
        assert risk.testing_focus.count() >= 1, risk.code
        assert risk.components.count() >= 1, risk.code
    assert revision.documentation_requirements.count() == 8
