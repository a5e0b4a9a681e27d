"""Asynchronous code reads, writes and does transactions through the async ORM."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, connections
from django.test import AsyncClient

from apps.accounts.models import User
from apps.database.asynchronous import in_transaction
from apps.database.retries import read_again
from apps.risks.models import Profile

pytestmark = pytest.mark.django_db(transaction=True)


def run_in_fresh_loop(coroutine: object) -> object:
    return asyncio.run(coroutine)  # type: ignore[arg-type]


async def created_read_updated_deleted() -> list[int]:
    profile = await Profile.objects.acreate(key="async", slug="async", title="One")
    counts = [await Profile.objects.filter(title="One").acount()]
    profile.title = "Two"
    await profile.asave()
    counts.append(await Profile.objects.filter(title="Two").acount())
    await profile.adelete()
    counts.append(await Profile.objects.acount())
    await sync_to_async(connections.close_all)()
    return counts


def test_rows_are_created_read_updated_and_deleted() -> None:
    assert run_in_fresh_loop(created_read_updated_deleted()) == [1, 1, 0]


def two_profiles(*, fail: bool) -> int:
    for slug in ("first", "second"):
        Profile.objects.create(key=slug, slug=slug, title=slug)
    if fail:
        raise ValueError("after both")
    return Profile.objects.count()


async def transacted() -> tuple[int, int]:
    with pytest.raises(ValueError, match="after both"):
        await in_transaction(two_profiles, fail=True)
    after_failure = await Profile.objects.acount()
    committed = await in_transaction(two_profiles, fail=False)
    await sync_to_async(connections.close_all)()
    return after_failure, committed


def test_a_transaction_is_committed_whole_or_rolled_back_whole() -> None:
    assert run_in_fresh_loop(transacted()) == (0, 2)
    assert Profile.objects.count() == 2


def test_the_synchronous_orm_refuses_to_run_on_the_event_loop() -> None:
    async def careless() -> None:
        Profile.objects.count()

    with pytest.raises(SynchronousOnlyOperation):
        run_in_fresh_loop(careless())


@pytest.mark.parametrize("path", ["/search/?q=nothing", "/risks/{}/"])
def test_the_asynchronous_pages_answer_on_an_event_loop(path: str) -> None:
    async def ask() -> int:
        user = await User.objects.acreate(username="reader")
        answer = await AsyncClient().get(path.format(user.pk))
        await sync_to_async(connections.close_all)()
        return int(answer.status_code)

    assert run_in_fresh_loop(ask()) in (200, 404)


def terminate_own_session() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())")


def test_a_read_is_done_again_when_its_session_ends() -> None:
    calls = 0

    @read_again
    def count() -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            terminate_own_session()
        return Profile.objects.count()

    assert (count(), calls) == (0, 2)


def test_an_asynchronous_read_is_done_again_when_its_session_ends() -> None:
    calls = 0

    @read_again
    async def count() -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            await sync_to_async(terminate_own_session)()
        found = await Profile.objects.acount()
        await sync_to_async(connections.close_all)()
        return found

    assert (run_in_fresh_loop(count()), calls) == (0, 2)


def test_inside_a_transaction_nothing_is_done_again() -> None:
    calls = 0

    @read_again
    def count() -> int:
        nonlocal calls
        calls += 1
        terminate_own_session()
        return Profile.objects.count()

    async def ask() -> None:
        await in_transaction(count)

    with pytest.raises(Exception, match="terminating connection"):
        run_in_fresh_loop(ask())
    assert calls == 1
