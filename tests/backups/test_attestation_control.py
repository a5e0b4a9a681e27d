"""What nobody has looked at for 90 days is unknown, never green."""

from datetime import timedelta

import pytest
from django.test import override_settings
from django.utils import timezone

from apps.backups.models import Attestation
from apps.controls.assess import assess, own_target
from apps.controls.control import State
from apps.controls.discovery import all_controls, select
from apps.database.connection import acting_as

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("days", "state"), [(None, State.UNKNOWN), (89, State.PASS), (91, State.UNKNOWN)]
)
def test_an_attestation_holds_for_ninety_days(days: int | None, state: State) -> None:
    if days is not None:
        with acting_as("owner"):
            Attestation.objects.create(
                provider="Railway", schedule="daily", retention_days=30, checked_by="operations",
                attested_at=timezone.now() - timedelta(days=days),
            )  # fmt: skip
    with override_settings(BACKUP_PROVIDER="Railway"):
        result = assess(own_target(), select(all_controls(), ids=["DATA-002.8"]))
    (verdict,) = result.verdicts
    assert verdict.state is state, verdict
