"""What a secret may look like, and that ordinary text is left alone."""

import io
import json
import logging
import sys
from html import escape
from urllib.parse import quote, quote_plus

import pytest
from django.conf import settings
from django.test import RequestFactory, override_settings
from django.views.debug import ExceptionReporter
from psycopg.sql import SQL, Literal

from apps.database.outlets import RedactingStream, unredacted
from apps.database.redaction import MASK, RedactionFilter, known_secrets, redact

CANARY = "Canary-S3cr3t-0"


def test_the_secrets_of_the_process_are_masked_wherever_they_stand() -> None:
    for secret in known_secrets():
        assert redact(f"before {secret} after") == f"before {MASK} after"
    assert settings.SECRET_KEY in known_secrets()
    assert settings.DATABASES["default"]["PASSWORD"] in known_secrets()
    assert settings.DATABASE_ROLES["owner"]["PASSWORD"] in known_secrets()


ODD = "it's/50% & \\more\n<ü>"


@pytest.mark.parametrize(
    "written",
    [
        ODD,
        quote(ODD, safe=""),
        quote_plus(ODD),
        repr({"key": ODD}),
        json.dumps([ODD]),
        escape(ODD),
        escape(repr(repr({"key": ODD}))),
        escape(json.dumps([quote(ODD, safe="")])),
        SQL("{}").format(Literal("it's plainly secret")).as_string(None),
    ],
)
def test_a_secret_is_masked_however_it_is_written(written: str) -> None:
    with override_settings(KNOWN_SECRETS=[ODD, "it's plainly secret"]):
        masked = redact(f"before {written} after")
    assert MASK in masked
    for part in ("it", "50", "more", "plainly"):
        assert part not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


def test_a_stream_writes_no_secret_unless_it_is_meant_to() -> None:
    behind = io.StringIO()
    stream = RedactingStream(behind, by_form=False)
    print(f"key {settings.SECRET_KEY}", file=stream)
    print('"password": "plain$1$a$b"', file=stream)
    assert behind.getvalue() == f'key {MASK}\n"password": "plain$1$a$b"\n'
    print("password=plain", file=RedactingStream(behind, by_form=True))
    assert behind.getvalue().endswith(f"password={MASK}\n")
    assert not stream.isatty()
    assert unredacted(stream) is behind
    assert unredacted(behind) is behind


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
