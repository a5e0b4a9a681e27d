"""The scan finds synchronous queries where they would run on the event loop, and nowhere else."""

from pathlib import Path

import pytest

from apps.database.event_loop import blocking_calls

HEAD = """
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404, render as draw
from apps.database.asynchronous import in_transaction
from apps.risks.models import Risk
from other import deep, found as querysets
"""
OTHER = """
from django.db.models import QuerySet
from models import Risk

def deep():
    return deeper()

def deeper():
    return Risk.objects.count()

def found() -> QuerySet[Risk]:
    return Risk.objects.all()
"""


def scan(
    tmp_path: Path,
    *lines: str,
    head: str = "async def view(request, given, asked: QuerySet[Risk]):",
) -> list[str]:
    body = "".join(f"    {line}\n" for line in lines)
    (tmp_path / "views.py").write_text(f"{HEAD}\n{head}\n{body}")
    (tmp_path / "other.py").write_text(OTHER)
    return [call.code for call in blocking_calls(sorted(tmp_path.glob("*.py")), tmp_path)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("Risk.objects.get(pk=1)", "Risk.objects.get(pk=1)"),
        ("await given(Risk.objects.filter(a=1).count())", "Risk.objects.filter(a=1).count()"),
        ("return list(Risk.objects.all()[:5])", "list(Risk.objects.all()[:5])"),
        ("return [each for each in Risk.objects.all()]", "[each for each in Risk.objects.all()]"),
        ("return given(each for each in asked)", "(each for each in asked)"),
        ("return asked[0]", "asked[0]"),
        ("return [*asked]", "*asked"),
        ("return given in asked", "given in asked"),
        ("return len(querysets())", "len(querysets())"),
        ("given.save()", "given.save()"),
        ("given.risk.refresh_from_db()", "given.risk.refresh_from_db()"),
        ("return draw(request, 'page.html')", "draw(request, 'page.html')"),
        ("return get_object_or_404(Risk, pk=1)", "get_object_or_404(Risk, pk=1)"),
        ("connection.cursor()", "connection.cursor()"),
        ("return request.user", "request.user"),
        ("return request.session['a']", "request.session['a']"),
        ("return request.session.get('a')", "request.session.get('a')"),
        ("return deep()", "Risk.objects.count()"),
    ],
)
def test_it_finds_what_would_hold_up_the_loop(tmp_path: Path, line: str, code: str) -> None:
    assert scan(tmp_path, line) == [code]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (("for each in asked.order_by('a'):", "    pass"), "asked.order_by('a')"),
        (("if asked:", "    pass"), "asked"),
        (("with transaction.atomic():", "    pass"), "transaction.atomic()"),
        (
            ("rows = Risk.objects.all()", "if given:", "    few = rows[:3]", "return set(few)"),
            "set(few)",
        ),
        (("def inner():", "    given.save()", "inner()"), "given.save()"),
        (("async def inner():", "    given.save()", "await inner()"), "given.save()"),
    ],
)
def test_it_finds_what_stands_in_a_block(tmp_path: Path, lines: tuple[str, ...], code: str) -> None:
    assert scan(tmp_path, *lines) == [code]


@pytest.mark.parametrize(
    "lines",
    [
        ("return await Risk.objects.aget(pk=1)",),
        ("return {'get': 1}.get('get')",),
        ("return given.first() and given.count('a')",),
        ("return [each async for each in asked]",),
        ("async for each in asked:", "    pass"),
        ("return await sync_to_async(list)(asked)",),
        ("return await sync_to_async(deep)()",),
        ("return await in_transaction(deep)",),
        ("return await sync_to_async(lambda: Risk.objects.count())()",),
        ("@sync_to_async", "def inner():", "    given.save()", "await inner()"),
        ("def inner():", "    given.save()", "return await sync_to_async(inner)()"),
        ("return asked.filter(a=1)[:5]",),
        ("return await request.auser()",),
        ("return await request.session.aget('a')",),
        ("return list(given)",),
    ],
)
def test_it_passes_what_runs_beside_the_loop_or_asks_nothing(
    tmp_path: Path, lines: tuple[str, ...]
) -> None:
    assert scan(tmp_path, *lines) == []


def test_a_synchronous_view_may_ask(tmp_path: Path) -> None:
    assert scan(tmp_path, "return list(Risk.objects.all())", head="def view(request):") == []


def test_it_tells_the_way_to_the_query(tmp_path: Path) -> None:
    scan(tmp_path, "return deep()")
    (call,) = blocking_calls(sorted(tmp_path.glob("*.py")), tmp_path)
    assert call.way == ("views.view", "other.deep", "other.deeper")
    assert (call.path.name, call.reason) == (
        "other.py",
        "asks the database; write: await ….acount()",
    )
