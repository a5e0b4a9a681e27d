"""What a secret may look like, and that ordinary text is left alone."""

import io
import logging
import sys

import pytest
from django.conf import settings
from django.test import RequestFactory, override_settings
from django.views.debug import ExceptionReporter

from apps.database.redaction import MASK, RedactionFilter, known_secrets, redact

CANARY = "Canary-S3cr3t-0"


def test_the_secrets_of_the_process_are_masked_wherever_they_stand() -> None:
    for secret in known_secrets():
        assert redact(f"before {secret} after") == f"before {MASK} after"
    assert settings.SECRET_KEY in known_secrets()
    assert settings.DATABASES["default"]["PASSWORD"] in known_secrets()
    assert settings.DATABASE_ROLES["owner"]["PASSWORD"] in known_secrets()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://app:plain@db/x", f"postgresql://app:{MASK}@db/x"),
        (
            "postgres://a:plain%2F@db:5/x?sslmode=require",
            f"postgres://a:{MASK}@db:5/x?sslmode=require",
        ),
        ("redis://:plain@cache/0", f"redis://:{MASK}@cache/0"),
        ("host=db password=plain user=app", f"host=db password={MASK} user=app"),
        ("host=db password='plain text' user=app", f"host=db password={MASK} user=app"),
        ("{'password': 'plain'}", f"{{'password': {MASK}}}"),
        ("ALTER ROLE x PASSWORD 'plain'", f"ALTER ROLE x PASSWORD {MASK}"),
    ],
)
def test_other_peoples_credentials_are_masked_by_their_form(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "password authentication failed for user app",
        "see https://example.org/a:b@c",
        "time 12:30:59 at host db:5432",
        "The password is too short.",
        "user@example.org: invalid",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redact(text) == text


def test_a_record_is_clean_in_message_arguments_and_traceback() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactionFilter())
    error = ValueError(f"postgresql://app:{CANARY}@db/x")
    handler.handle(
        logging.LogRecord(
            *("redaction", logging.ERROR, "file.py", 1),
            *("connecting to %s", ("postgresql://app:Canary-argument@db/x",)),
            (ValueError, error, None),
        )
    )
    assert "ValueError" in stream.getvalue()
    assert CANARY not in stream.getvalue()
    assert "Canary-argument" not in stream.getvalue()


@override_settings(DEBUG=True)
def test_an_error_report_masks_settings_and_locals_by_value(rf: RequestFactory) -> None:
    secret = str(settings.DATABASES["default"]["PASSWORD"])

    def broken(address: str) -> None:
        raise RuntimeError("no connection")

    try:
        broken(f"postgresql://app:{secret}@db/x")
    except RuntimeError:
        reporter = ExceptionReporter(rf.get("/"), *sys.exc_info())
        html, text = reporter.get_traceback_html(), reporter.get_traceback_text()
    assert "no connection" in html
    assert "broken" in html
    for report in (html, text):
        assert secret not in report
        assert settings.SECRET_KEY not in report
