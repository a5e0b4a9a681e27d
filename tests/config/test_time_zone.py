"""Times are UTC, as every page says that they are."""

from django.conf import settings


def test_pages_tell_utc() -> None:
    assert settings.TIME_ZONE == "UTC"
