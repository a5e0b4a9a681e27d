"""The one way to do a transaction in asynchronous code."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS, transaction

P = ParamSpec("P")
R = TypeVar("R")


async def in_transaction(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a synchronous function in a transaction, beside the event loop; returns its result.

    Django's transactions belong to a thread. Several awaited queries would each be a step of its
    own, so what must happen together stands together in one function. An exception rolls it back
    and is raised here.
    """
    atomic = transaction.atomic(using=DEFAULT_DB_ALIAS)
    return await sync_to_async(atomic(function))(*args, **kwargs)
