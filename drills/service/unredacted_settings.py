"""The same service with redaction switched off, to prove that the sweep can find something."""

from apps.database import outlets, redaction
from config.database import DatabaseEntry
from drills.service.canary_settings import *  # noqa: F403


def _as_it_is(text: str) -> str:
    return text


redaction.redact = outlets.redact = _as_it_is
redaction.mask_known = outlets.mask_known = _as_it_is
redaction.RedactionFilter.filter = lambda self, record: True  # type: ignore[method-assign]
DatabaseEntry.__repr__ = DatabaseEntry.__str__ = dict.__repr__  # type: ignore[method-assign]
DEFAULT_EXCEPTION_REPORTER = "django.views.debug.ExceptionReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "django.views.debug.SafeExceptionReporterFilter"
