"""What counts as an outage of the database: told by SQLSTATE, never by an error's words."""

import psycopg
from django.db import DatabaseError, InterfaceError
from psycopg_pool import PoolTimeout

# Without a state: no connection. Class 08: connection exceptions. 57P01-03: the server goes down,
# crashed or starts. 53300, 53400: no connection left. 25006: read-only after a failover.
OUTAGE_STATES = frozenset({"57P01", "57P02", "57P03", "53300", "53400", "25006"})
# Raised on this side of the wire. An InternalError is one: when a server behind PgBouncer ends a
# session, two answers arrive to one COMMIT.
_WITHOUT_STATE = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
# Serialization failure and deadlock: the same transaction may succeed when it is run again.
CONFLICT_STATES = frozenset({"40001", "40P01"})


def is_outage(error: BaseException | None) -> bool:
    """Whether the error says that the database cannot serve now."""
    while error is not None:
        if isinstance(error, PoolTimeout):
            return True
        if isinstance(error, psycopg.Error):
            state = error.sqlstate
            if state is None:
                return isinstance(error, _WITHOUT_STATE)
            return state in OUTAGE_STATES or state.startswith("08")
        if isinstance(error, InterfaceError):
            return True
        error = error.__cause__ if isinstance(error, DatabaseError) else None
    return False


def is_conflict(error: BaseException | None) -> bool:
    """Whether the error says that two transactions met, and one of them should be run again."""
    cause = error.__cause__ if isinstance(error, DatabaseError) else error
    return isinstance(cause, psycopg.Error) and cause.sqlstate in CONFLICT_STATES
