"""Answers within a budget of wall-clock time, whatever a network, a name server or a lock does."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")

# A question that outlives its budget keeps a thread, and maybe a connection: of these no more.
MOST_AT_ONCE = 4
_places = threading.BoundedSemaphore(MOST_AT_ONCE)


class OutOfTime(Exception):
    """There was no answer within the budget."""


def within(seconds: float, question: Callable[[], T]) -> T:
    """The question's answer, or what it raised; OutOfTime when the budget is spent.

    It is asked in a thread of its own, which goes on alone: time-outs of libpq begin at two
    seconds, and none of them counts the search for an address.
    """
    deadline = time.monotonic() + seconds
    if not _places.acquire(timeout=seconds):
        raise OutOfTime(f"{MOST_AT_ONCE} earlier questions still wait for their answers")
    future: Future[T] = Future()

    def ask() -> None:
        try:
            future.set_result(question())
        except BaseException as error:  # raised where it was asked
            future.set_exception(error)
        finally:
            _places.release()

    threading.Thread(target=ask, name="a question with a budget", daemon=True).start()
    try:
        return future.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        if future.done():
            raise
        raise OutOfTime(f"no answer within {seconds:g} s") from None


class Shared(Generic[T]):
    """A question that is asked once, however many checks want its answer."""

    def __init__(self, seconds: float, question: Callable[[], T]) -> None:
        self._seconds = seconds
        self._question = question
        self._lock = threading.Lock()
        self._outcome: Future[T] = Future()

    def get(self) -> T:
        """The answer, or what asking raised, OutOfTime included."""
        with self._lock:
            if not self._outcome.done():
                try:
                    self._outcome.set_result(within(self._seconds, self._question))
                except Exception as error:  # raised for everybody who asks
                    self._outcome.set_exception(error)
        return self._outcome.result()
