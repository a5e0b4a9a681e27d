"""Makes a stopped scratch server's counters older, for what only time brings about."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

_TIME_BYTES = 8
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND


def age_statistics(data: Path, age: timedelta) -> None:
    """Have every time in the statistics of a stopped server's data directory lie so much earlier.

    They are files of the server's own memory, in which a time is the number of microseconds since
    2000 in eight bytes. Whatever reads as a moment of the last day is a time.
    """
    now = (datetime.now(UTC) - _EPOCH) // _MICROSECOND
    shift = age // _MICROSECOND
    for path in (data / "pg_stat").iterdir():
        content = bytearray(path.read_bytes())
        for place in range(len(content) - _TIME_BYTES + 1):
            here = slice(place, place + _TIME_BYTES)
            time = int.from_bytes(content[here], sys.byteorder)
            if now - _DAY < time <= now:
                content[here] = (time - shift).to_bytes(_TIME_BYTES, sys.byteorder)
        path.write_bytes(content)
