"""A request's id stands in its answer, in its lines and in its SQL."""

import asyncio
import logging
import re
from collections.abc import Callable

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from psycopg.sql import SQL, Identifier

from apps.database.request_id import (
    RequestIdFilter,
    commented,
    current_request_id,
    request_id_middleware,
)

GIVEN = "3f2a-given_by-a-proxy"


def answer(view: Callable[[HttpRequest], HttpResponse], **headers: str) -> HttpResponse:
    return request_id_middleware(view)(RequestFactory().get("/", headers=headers))


def own_query(request: HttpRequest) -> HttpResponse:
    """What the server says that this session runs."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT query FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()"
        )
        return HttpResponse(cursor.fetchone()[0])


# The server's statistics stand still within a transaction.
@pytest.mark.django_db(transaction=True)
def test_the_server_sees_the_id_that_the_proxy_gave() -> None:
    response = answer(own_query, **{"X-Request-ID": GIVEN})
    assert response.content.decode().endswith(f" /*request_id='{GIVEN}'*/")
    assert response["X-Request-ID"] == GIVEN
    # Outside a request there is none.
    assert "request_id" not in own_query(HttpRequest()).content.decode()


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 65, "a'*/; DROP TABLE risks_risk; --", "line\nbreak", "ünïcödé-id"]
)
def test_an_id_that_could_be_read_as_something_else_is_replaced(given: str) -> None:
    response = answer(lambda request: HttpResponse(current_request_id()), **{"X-Request-ID": given})
    assert re.fullmatch(r"[0-9a-f]{32}", response["X-Request-ID"])
    assert response.content.decode() == response["X-Request-ID"]


@pytest.mark.django_db(transaction=True)
def test_an_asynchronous_request_carries_its_own_into_the_database() -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        return await sync_to_async(own_query)(request)

    async def both() -> list[HttpResponse]:
        application = request_id_middleware(view)
        requests = [
            RequestFactory().get("/", headers={"X-Request-ID": f"overlapping-{n}"}) for n in (1, 2)
        ]
        return await asyncio.gather(*map(application, requests))

    for number, response in enumerate(asyncio.run(both()), 1):
        assert response.content.decode().endswith(f"/*request_id='overlapping-{number}'*/")


def test_a_composed_statement_gets_it_too() -> None:
    statement = SQL("SELECT {}").format(Identifier("a"))
    assert commented(statement) is statement
    seen: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(commented(statement).as_string())
        return HttpResponse()

    answer(view, **{"X-Request-ID": GIVEN})
    assert seen == [f"SELECT \"a\" /*request_id='{GIVEN}'*/"]


@pytest.mark.django_db
def test_every_page_answers_with_an_id(client: Client) -> None:
    for path in ("/", "/health/live/", "/no-such-page/"):
        first, second = client.get(path), client.get(path)
        assert first["X-Request-ID"] != second["X-Request-ID"]


def test_a_line_of_a_request_has_its_id() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "said", None, None)
    RequestIdFilter().filter(record)
    assert record.request_id == "-"  # type: ignore[attr-defined]

    def view(request: HttpRequest) -> HttpResponse:
        RequestIdFilter().filter(record)
        return HttpResponse()

    answer(view, **{"X-Request-ID": GIVEN})
    assert record.request_id == GIVEN  # type: ignore[attr-defined]


def test_a_line_about_a_request_that_is_over_has_its_id() -> None:
    request = RequestFactory().get("/", headers={"X-Request-ID": GIVEN})
    request_id_middleware(lambda request: HttpResponse(status=404))(request)
    record = logging.LogRecord("django.request", logging.WARNING, "f", 1, "Not Found", None, None)
    record.request = request
    RequestIdFilter().filter(record)
    assert record.request_id == GIVEN  # type: ignore[attr-defined]


def test_gunicorns_line_of_an_answer_has_its_id() -> None:
    atoms = {"s": "200", "{x-request-id}o": GIVEN}
    record = logging.LogRecord("gunicorn.access", logging.INFO, "f", 1, "%(s)s", (atoms,), None)
    RequestIdFilter().filter(record)
    assert record.request_id == GIVEN  # type: ignore[attr-defined]
