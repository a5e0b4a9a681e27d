"""What a check's result means in one word, and the log line when it changes."""

import logging
from collections.abc import Iterable
from enum import StrEnum

from health_check.base import HealthCheckResult
from health_check.exceptions import HealthCheckException, ServiceWarning

logger = logging.getLogger(__name__)


class State(StrEnum):
    """Best first. Warnings and what could not be seen do not stop traffic."""

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"
    BROKEN = "broken"


class Unseen(ServiceWarning):
    """A check that could not see what it judges; it is never ok."""

    message_type = "Unknown"


def state_of(error: HealthCheckException | None) -> State:
    if error is None:
        return State.OK
    if isinstance(error, Unseen):
        return State.UNKNOWN
    return State.WARNING if isinstance(error, ServiceWarning) else State.BROKEN


def overall(results: Iterable[HealthCheckResult]) -> State:
    """The worst of all."""
    found = {state_of(result.error) for result in results}
    return next((state for state in reversed(State) if state in found), State.OK)


_known: dict[str, State] = {}


def note_changes(results: Iterable[HealthCheckResult]) -> None:
    """Log every change of a check once, with the reason that strangers do not see."""
    for result in results:
        name, state = repr(result.check), state_of(result.error)
        if _known.get(name, State.OK) is not state:
            reason = _reason(result.error) if result.error else "as it should be"
            level = logging.WARNING if state is State.BROKEN else logging.INFO
            logger.log(level, "Health of %s is %s: %s", name, state, reason)
        _known[name] = state


def _reason(error: HealthCheckException) -> str:
    cause = error.__cause__
    said = str(cause).strip().splitlines()[:1] if cause else []
    return " ".join([str(error.message), *(f"({line})" for line in said)])
