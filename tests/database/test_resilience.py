"""An outage is told from a mistake, and answered with 503."""

import json

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError
from django.test import RequestFactory
from psycopg import errors
from psycopg_pool import PoolTimeout

from apps.database.outages import is_outage
from apps.database.resilience import unavailable


def django_error(kind: type[DatabaseError], cause: BaseException) -> DatabaseError:
    error = kind("as Django raises it")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "cause",
    [
        psycopg.OperationalError("connection refused"),
        psycopg.InterfaceError("the connection is closed"),
        psycopg.InternalError("received 2 results from command 'COMMIT'"),
        errors.AdminShutdown(),
        errors.CrashShutdown(),
        errors.CannotConnectNow(),
        errors.TooManyConnections(),
        errors.ConfigurationLimitExceeded(),
        errors.ConnectionFailure(),
        errors.ReadOnlySqlTransaction(),
        PoolTimeout("no connection within 3 s"),
    ],
)
def test_an_outage_is_known_by_its_state(cause: Exception) -> None:
    assert is_outage(cause)
    assert is_outage(django_error(OperationalError, cause))


@pytest.mark.parametrize(
    "cause",
    [
        errors.QueryCanceled(),
        errors.LockNotAvailable(),
        errors.SerializationFailure(),
        errors.DeadlockDetected(),
        errors.UniqueViolation(),
        errors.UndefinedTable(),
        errors.InsufficientPrivilege(),
    ],
)
def test_a_mistake_or_a_conflict_is_no_outage(cause: Exception) -> None:
    assert not is_outage(cause)
    assert not is_outage(django_error(IntegrityError, cause))


def test_a_closed_connection_is_an_outage_and_an_ordinary_error_is_none() -> None:
    assert is_outage(InterfaceError("connection already closed"))
    assert not is_outage(ValueError("a defect"))
    assert not is_outage(None)


def test_programs_get_a_problem_and_people_a_page(rf: RequestFactory) -> None:
    problem = unavailable(rf.get("/api/"))
    page = unavailable(rf.get("/", headers={"accept": "text/html,*/*;q=0.8"}))
    assert problem["Content-Type"] == "application/problem+json"
    assert json.loads(problem.content)["status"] == 503
    assert page["Content-Type"].startswith("text/html")
    assert b"try again" in page.content
    for answer in (problem, page):
        assert answer.status_code == 503
        assert int(answer["Retry-After"]) > 0
        assert answer["Cache-Control"] == "no-store"
