"""Whatever stands in an address: no page breaks, waits, changes a row or runs a script."""

import inspect

import psycopg
import pytest
from django.test import Client
from django.urls import resolve
from django.utils.html import escape

from apps.database.server import Cluster
from apps.risks.models import Risk
from apps.risks.store import store
from tests import environment
from tests.injection.addresses import asking, filled, parameters_read, routes
from tests.injection.conftest import Watch, quick
from tests.injection.payloads import PAYLOADS, SCRIPT
from tests.risks.corpus import read

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = [route for route in routes() if not route.startswith("/admin/")]


@pytest.fixture
def profile(transactional_db: None) -> None:
    store(read("contradictions"))


def test_the_corpus_is_large_and_says_nothing_twice() -> None:
    assert len(PAYLOADS) == len(set(PAYLOADS)) >= 60


def test_the_watch_sees_what_a_formatted_statement_does(
    transactional_db: None, cluster: Cluster, watch: Watch
) -> None:
    address = environment.roles.app
    with psycopg.connect(
        cluster.address(address.name, address.password, environment.DATABASE)
    ) as app:
        code = "'; DELETE FROM injection_witness; --"
        app.execute(f"SELECT 1 FROM risks_risk WHERE code = '{code}'".encode())
        app.commit()
        assert watch.witness() == []
        with pytest.raises(psycopg.errors.SyntaxError):
            app.execute(b"SELECT 1 FROM risks_risk WHERE code = 'x")
    assert len(watch.complaints()) == 1
    # The world as the fixture wants it back.
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("INSERT INTO injection_witness VALUES ('one'), ('two'), ('three')")
    watch.start = cluster.log.stat().st_size


def test_every_parameter_that_is_read_is_known() -> None:
    names, unclear = parameters_read()
    assert unclear == [], "read a parameter by a constant, so that this test can find it"
    assert {"q", "page", "p", "i", "profile"} <= names


def test_no_parameter_of_a_page_reaches_the_server_as_sql(
    client: Client, profile: None, keeper: object, watch: Watch
) -> None:
    names, _ = parameters_read()
    risk = Risk.objects.earliest("position")
    for route in PAGES:
        address = filled(route, str(risk.pk))
        own = sorted(name for name in names if f'"{name}"' in source_of(address))
        for place, payload in enumerate(PAYLOADS):
            # All at once, and a share of the corpus for each by itself.
            alone = own[place % len(own)] if own else payload
            for query in (dict.fromkeys(names, payload), {alone: payload}):
                with quick(f"{address} {query}"):
                    answer = client.get(asking(address, query))
                # The whole health is rightly broken where nothing was ever backed up.
                broken = {503} if route == "/health/" else set()
                assert answer.status_code in {200, 404} | broken, (address, query)
                assert SCRIPT not in answer.content.decode()


def source_of(address: str) -> str:
    """The text of the view that answers an address."""
    return inspect.getsource(inspect.unwrap(resolve(address).func))


def test_no_part_of_a_path_reaches_the_server_as_sql(
    staff: Client, profile: None, watch: Watch
) -> None:
    with_parameters = [route for route in routes() if "{}" in route]
    assert len(with_parameters) > 10
    for place, route in enumerate(with_parameters):
        # The admin has the same five addresses for every model: three of them share the corpus.
        for payload in PAYLOADS[place % 3 :: 3]:
            with quick(f"{route} {payload!r}"):
                answer = staff.get(filled(route, payload))
            assert answer.status_code in (200, 301, 302, 400, 403, 404), (route, payload)
            assert SCRIPT not in answer.content.decode()


def test_search_shows_what_was_asked_as_text(client: Client, profile: None) -> None:
    body = client.get("/search/", {"q": f"'\">{SCRIPT}"}).content.decode()
    assert escape(SCRIPT) in body
    assert SCRIPT not in body
