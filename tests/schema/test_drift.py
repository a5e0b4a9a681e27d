"""`manage.py drift`."""

import pytest

from apps.schema.drift import find_drift

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_fresh_migrate_has_no_drift() -> None:
    report = find_drift()
    assert report.findings == []
    assert report.unseen == []
