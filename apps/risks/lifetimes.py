"""Until when the versions that a service stands on are maintained, as their makers have said."""

import re
from collections.abc import Mapping
from datetime import date

# The last day of maintenance, by product and series.
# https://www.postgresql.org/support/versioning/ · https://devguide.python.org/versions/ ·
# https://www.djangoproject.com/download/#supported-versions
ENDS: Mapping[str, Mapping[str, date]] = {
    "PostgreSQL": {
        "13": date(2025, 11, 13),
        "14": date(2026, 11, 12),
        "15": date(2027, 11, 11),
        "16": date(2028, 11, 9),
        "17": date(2029, 11, 8),
        "18": date(2030, 11, 14),
    },
    "Python": {
        "3.10": date(2026, 10, 31),
        "3.11": date(2027, 10, 31),
        "3.12": date(2028, 10, 31),
        "3.13": date(2029, 10, 31),
        "3.14": date(2030, 10, 31),
    },
    "Django": {"5.1": date(2025, 12, 31), "5.2": date(2028, 4, 30)},
}


def series_of(product: str, version: str) -> str:
    """`18` of PostgreSQL 18.6, `3.11` of Python 3.11.9."""
    numbers = re.findall(r"[0-9]+", version)
    return numbers[0] if product == "PostgreSQL" else ".".join(numbers[:2])


def end_of(product: str, version: str) -> date | None:
    """The last day of maintenance; None for a series that is not known here.

    What is older than everything known has ended before that.
    """
    known = ENDS[product]
    series = series_of(product, version)
    if series in known:
        return known[series]
    oldest = min(known, key=_order)
    return known[oldest] if _order(series) < _order(oldest) else None


def _order(series: str) -> list[int]:
    return [int(number) for number in series.split(".")]
