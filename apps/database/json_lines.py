"""Log records as JSON, a line each, for programs to read; redacted like all other lines."""

from datetime import datetime
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from apps.database.redaction import MASK, redact

# What anybody may log as a field of its own, and nobody should read.
_SECRET_WORDS = ("password", "passwd", "secret", "token", "authorization", "cookie")


class RedactingJsonFormatter(JsonFormatter):
    """Fields `at`, `level`, `logger`, `process`, `request_id`, `message`, `exc_info` and extras."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "process", "request_id", "message"],
            timestamp="at",
            rename_fields={"levelname": "level", "name": "logger"},
            json_ensure_ascii=False,
            # Django's records carry the request, whose address may hold what somebody looked for.
            reserved_attrs=[*RESERVED_ATTRS, "request", "server_time"],
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {name: _clean(name, value) for name, value in log_data.items()}


def _clean(name: str, value: Any) -> Any:
    """The value without secrets, however deep they stand; what is not JSON becomes its text."""
    if any(word in name.lower() for word in _SECRET_WORDS):
        return MASK
    match value:
        case None | bool() | int() | float():
            return value
        case datetime():
            return value.isoformat()
        case dict():
            return {str(key): _clean(str(key), inner) for key, inner in value.items()}
        case list() | tuple() | set():
            return [_clean("", inner) for inner in value]
        case _:
            return redact(str(value))
