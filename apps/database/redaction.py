"""No credential leaves the process in a log, an error, a page or a command's output."""

import logging
import re
from collections.abc import ItemsView
from typing import Any

from django.conf import settings
from django.views.debug import SafeExceptionReporterFilter

MASK = "********"
SHORTEST_SECRET = 6
_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://[^\s:/@'\"]*):(?P<secret>[^\s@'\"]+)@", re.I)
# `password=…` of a connection string, `'password': '…'` of a dictionary, `PASSWORD '…'` of SQL.
_KEYWORD = re.compile(
    r"(?P<name>\bpassword['\"]?(?:\s*[=:]\s*|\s+(?=')))"
    r"(?P<secret>'(?:[^']|'')*'|\"[^\"]*\"|[^\s,;)}\]'\"]+)",
    re.I,
)


def known_secrets() -> list[str]:
    """The secrets of this process, longest first; short ones would mask ordinary words."""
    entries = [*settings.DATABASES.values(), *settings.DATABASE_ROLES.values()]
    secrets = {str(entry.get("PASSWORD") or "") for entry in entries} | {settings.SECRET_KEY}
    return sorted((s for s in secrets if len(s) >= SHORTEST_SECRET), key=len, reverse=True)


def redact(text: str) -> str:
    """The text without the secrets of this process and without passwords in addresses."""
    for secret in known_secrets():
        text = text.replace(secret, MASK)
    text = _ADDRESS.sub(rf"\g<scheme>:{MASK}@", text)
    return _KEYWORD.sub(rf"\g<name>{MASK}", text)


class RedactionFilter(logging.Filter):
    """Redacts a record's message and its traceback before a handler writes them."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True


class RedactingReporterFilter(SafeExceptionReporterFilter):
    """Django's error reports, with settings and frame locals masked by name and by value."""

    hidden_settings = re.compile(
        "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|HTTP_COOKIE|URL|DSN|URI|CONNINFO|IDENTITY", re.I
    )

    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> ItemsView[str, Any]:
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return {name: self._masked(value) for name, value in variables}.items()

    def get_safe_settings(self) -> dict[str, Any]:
        return {name: self._masked(value) for name, value in super().get_safe_settings().items()}

    def _masked(self, value: Any) -> Any:
        """The value itself when its text form is clean, otherwise that text, redacted."""
        try:
            text = repr(value)
        except Exception as error:  # a report must not fail on an object's repr
            return f"<no text form: {type(error).__name__}>"
        clean = redact(text)
        return value if clean == text else clean
