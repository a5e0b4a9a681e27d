"""No credential leaves the process in a log, an error, a page or a command's output."""

import logging
import re
from collections.abc import ItemsView
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from apps.database.occurrences import redacted

MASK = "********"
SHORTEST_SECRET = 6
# A sentence that shows how an address is written says PASSWORD.
_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://[^\s:/@'\"]*):(?!PASSWORD@)(?P<secret>[^\s@'\"]+)@", re.I
)
# `password=…` of a connection string, `'password': '…'` of a dictionary, `PASSWORD '…'` of SQL.
_KEYWORD = re.compile(
    r"(?P<name>\bpassword['\"]?(?:\s*[=:]\s*|\s+(?=')))"
    # What is masked already stays as it is.
    r"(?!['\"]?\*{8})(?P<secret>'(?:[^']|'')*'|\"[^\"]*\"|[^\s,;)}\]'\"]+)",
    re.I,
)


# What this process was told after its settings were read.
_learnt: list[str] = []


def learn_secret(secret: str) -> None:
    """Mask a secret that no setting holds, such as one of the command line, from now on."""
    _learnt.append(secret)


def known_secrets() -> list[str]:
    """The secrets of this process, longest first; short ones would mask ordinary words.

    Empty while there are no settings: then there is nothing yet that holds one.
    """
    if not settings.configured:
        return []
    entries = [*settings.DATABASES.values(), *settings.DATABASE_ROLES.values()]
    secrets = {str(entry.get("PASSWORD") or "") for entry in entries}
    secrets |= {settings.SECRET_KEY, *settings.KNOWN_SECRETS, *_learnt}
    return sorted((s for s in secrets if len(s) >= SHORTEST_SECRET), key=len, reverse=True)


@lru_cache(maxsize=16)
def secret_pattern(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    """Finds the secrets as addresses, Python, JSON, SQL and pages write them, even in each other.

    An error page shows the text form of a text form: escapes are escaped again.
    """
    return re.compile("|".join(map(_however_written, secrets))) if secrets else None


def _however_written(secret: str) -> str:
    return "".join(map(_character, secret))


def _character(character: str) -> str:
    """A pattern for one character of a secret: itself, or any of its escapes."""
    if character.isascii() and character.isalnum():
        return character
    backslash = r"(?:\\|%(?:25)*5[cC])"
    if character == "\\":
        return f"{backslash}+"
    ways = [
        # SQL doubles an apostrophe.
        re.escape(character) + "{1,2}",
        f"u{ord(character):04x}",
        "(?i:" + "".join(f"%(?:25)*{byte:02x}" for byte in character.encode()) + ")",
        f"&(?:amp;)*(?:#x0*{ord(character):x}|#0*{ord(character)});",
    ]
    ways += [f"&(?:amp;)*{name};" for name in _ENTITIES.get(character, ())]
    if character == " ":
        ways.append(r"\+")
    if character == "\n":
        ways.append("n")
    return f"{backslash}*(?:{'|'.join(ways)})"


_ENTITIES = {"&": ("amp",), "<": ("lt",), ">": ("gt",), '"': ("quot",), "'": ("apos",)}


def mask_known(text: str) -> str:
    """The text without the secrets of this process."""
    pattern = secret_pattern(tuple(known_secrets()))
    if pattern is None:
        return text
    masked, count = pattern.subn(MASK, text)
    _tell("known", count)
    return masked


def redact(text: str) -> str:
    """The text without the secrets of this process and without passwords in addresses."""
    text, addresses = _ADDRESS.subn(rf"\g<scheme>:{MASK}@", mask_known(text))
    text, keywords = _KEYWORD.subn(rf"\g<name>{MASK}", text)
    _tell("form", addresses + keywords)
    return text


def _tell(kind: str, count: int) -> None:
    """Secrets that would have left the process are worth an alert: something wrote them."""
    if count:
        redacted.send_robust(RedactionFilter, kind=kind, count=count)


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


class RedactingReporter(ExceptionReporter):
    """Django's error report, in which what the exception itself says is redacted too."""

    def get_traceback_html(self) -> SafeString:
        # What was escaped stays escaped: redaction only takes text away.
        return mark_safe(redact(super().get_traceback_html()))  # noqa: S308

    def get_traceback_text(self) -> SafeString:
        return mark_safe(redact(super().get_traceback_text()))  # noqa: S308
