"""Lines in JSON hold what they should, and no secret however deep it stands."""

import json
import logging
from typing import Any

import pytest
from django.conf import settings
from django.test import RequestFactory

from apps.database.json_lines import RedactingJsonFormatter
from apps.database.request_id import RequestIdFilter
from config.env import ConfigurationError, Environment


def line(message: str, *arguments: Any, **extra: Any) -> dict[str, Any]:
    error = ValueError(f"with {settings.SECRET_KEY}")
    record = logging.getLogger("some.module").makeRecord(
        "some.module",
        logging.WARNING,
        "f",
        1,
        message,
        arguments,
        (ValueError, error, None),
        extra=extra,
    )
    RequestIdFilter().filter(record)
    text = RedactingJsonFormatter().format(record)
    assert "\n" not in text
    assert settings.SECRET_KEY not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_line_has_the_fields_that_a_search_asks_for() -> None:
    found = line("%d rows in %s", 3, "risks", rows=3, took=0.5, nothing=None)
    assert found["at"].endswith("+00:00")
    assert (found["level"], found["logger"], found["request_id"]) == ("WARNING", "some.module", "-")
    assert found["message"] == "3 rows in risks"
    assert (found["rows"], found["took"], found["nothing"]) == (3, 0.5, None)
    assert found["exc_info"].endswith("ValueError: with ********")


def test_secrets_are_masked_by_value_and_by_name_at_every_depth() -> None:
    found = line(
        f"key {settings.SECRET_KEY}",
        deep={"list": [settings.SECRET_KEY, {"password": "plain"}], settings.SECRET_KEY[:5]: 1},
        token="plain",
        address="postgresql://app:plain@host/name",
    )
    assert found["message"] == "key ********"
    assert found["deep"]["list"] == ["********", {"password": "********"}]
    assert (found["token"], found["address"]) == ("********", "postgresql://app:********@host/name")


def test_the_query_of_a_request_stays_out() -> None:
    assert "request" not in line("Not found", request=RequestFactory().get("/?q=private"))


@pytest.mark.parametrize(
    ("environment", "chosen", "expected"),
    [
        ("production", "auto", "json"),
        ("development", "auto", "line"),
        ("production", "line", "line"),
        ("test", "json", "json"),
    ],
)
def test_production_writes_json_unless_told(environment: str, chosen: str, expected: str) -> None:
    values = {"ENVIRONMENT": environment, "LOG_FORMAT": chosen}
    assert Environment(values).log_format() == expected


def test_a_typo_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match="LOG_FORMAT is 'jsn'; expected auto, line or js"):
        Environment({"LOG_FORMAT": "jsn"}).log_format()
