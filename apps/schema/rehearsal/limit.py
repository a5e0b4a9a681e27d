"""Ends a rehearsed migration that does not end by itself."""

import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from django.db.migrations import Migration

# As much as `migrate` gives one statement.
LIMIT_SECONDS = 3600.0
# Code that catches what ends it is ended again.
AGAIN_SECONDS = 5.0


class TimeIsUp(KeyboardInterrupt):
    """Raised inside a migration that takes too long.

    Like Ctrl-C it is no Exception, so that the migration's own code does not swallow it, and
    psycopg cancels the statement that it waits for.
    """


class DoesNotEnd(Exception):
    """The migration was stopped; the message says after how long, and where it was."""


@contextmanager
def limited(seconds: float, migration: Migration) -> Iterator[None]:
    """Inside, the migration may run for so long. Raises DoesNotEnd.

    Only the main thread can be interrupted; commands run there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeIsUp

    usual = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except TimeIsUp as error:
        raise DoesNotEnd(
            f"it did not end within {seconds:g} s, and was stopped{_where(error, migration)}"
        ) from None
    finally:
        signal.signal(signal.SIGALRM, usual)


def _where(error: BaseException, migration: Migration) -> str:
    """The line of the migration's file that was at work, where one was."""
    file = sys.modules[type(migration).__module__].__file__
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    if not frames:
        return ""
    line = f" at line {frames[-1].lineno} of {Path(frames[-1].filename).name}"
    return f"{line}: {frames[-1].line}" if frames[-1].line else line
