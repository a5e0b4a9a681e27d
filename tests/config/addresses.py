"""What the tests of addresses share."""

import traceback

import pytest

from config.database import DatabaseEntry, database_entry
from config.env import ConfigurationError, Environment

CANARY = "Canary-S3cr3t-0"
HOST = "db.example"


def address(query: str = "", host: str = HOST, name: str = "register") -> str:
    return f"postgresql://app:{CANARY}@{host}/{name}{query}"


def entry_of(role: str = "app", **variables: str) -> DatabaseEntry:
    """The entry of a role in development, unless ENVIRONMENT says otherwise."""
    entry = database_entry(Environment({"ENVIRONMENT": "development", **variables}), role)
    assert entry is not None
    return entry


def refusal(role: str = "app", **variables: str) -> str:
    """The sentence of the refusal, after proving that no form of the error shows the password."""
    env = Environment({"ENVIRONMENT": "development", **variables})
    with pytest.raises(ConfigurationError) as refused:
        database_entry(env, role)
    error: BaseException | None = refused.value
    shown = "".join(traceback.format_exception(refused.value))
    while error is not None:
        # Also what a report would show that follows suppressed contexts.
        shown += f"{error!r}{error}"
        error = error.__cause__ or error.__context__
    assert CANARY not in shown
    assert CANARY.partition("-")[2] not in shown
    assert "://app" not in shown
    return str(refused.value)
