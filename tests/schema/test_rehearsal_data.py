"""No change of rows escapes the comparison with what was kept aside."""

import pytest
from django.conf import settings
from django.test import override_settings

from apps.database.server import Cluster
from apps.schema.rehearsal.data import TableChange, compare_after, keep_aside
from apps.schema.rehearsal.place import standing_in
from apps.schema.rehearsal.structure import read_structure
from tests.schema.shop import APP, live_shop

SWAP = (
    "UPDATE shop_author SET nickname = CASE nickname WHEN 'nick 7' THEN 'nick 8' ELSE 'nick 7' END"
    " WHERE nickname IN ('nick 7', 'nick 8')"
)
CASES = "ALTER TABLE shop_author ALTER COLUMN nickname TYPE citext"
SCALES = "ALTER TABLE shop_author ALTER COLUMN balance TYPE numeric"
# What was there before, what happens, and rows lost, added, changed and filled.
CHANGES = {
    "nothing": ("", "SELECT 1", (0, 0, 0, 0)),
    "one value": ("", "UPDATE shop_author SET nickname = '' WHERE number = 7", (0, 0, 1, 0)),
    "two values that change places": ("", SWAP, (0, 0, 2, 0)),
    "a NULL that is filled": (
        "",
        "UPDATE shop_author SET remark = '' WHERE number = 7",
        (0, 0, 0, 1),
    ),
    "a row less and a row more": (
        "",
        "UPDATE shop_author SET id = 1000 WHERE number = 77",
        (1, 1, 0, 0),
    ),
    "a letter where its case does not count": (
        CASES,
        "UPDATE shop_author SET nickname = upper(nickname) WHERE number = 7",
        (0, 0, 1, 0),
    ),
    "digits where their number does not count": (
        SCALES,
        "UPDATE shop_author SET balance = balance::numeric(10, 3) WHERE number = 7",
        (0, 0, 1, 0),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_counted(
    name: str, cluster: Cluster, django_db_blocker: pytest.FixtureRequest
) -> None:
    before, statement, expected = CHANGES[name]
    with (
        django_db_blocker.unblock(),
        override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, APP]),
        live_shop(cluster, 100, books=10) as entry,
        standing_in(entry) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("CREATE EXTENSION citext")
        cursor.execute(before or "SELECT 1")
        author = read_structure(cursor).named("public.shop_author")
        assert author is not None
        kept = keep_aside(connection, [author])
        cursor.execute(statement)
        (change,) = compare_after(connection, kept, read_structure(cursor))
    assert counts(change) == expected
    assert (change.checksum_before == change.checksum_after) is (expected == (0, 0, 0, 0))


def counts(change: TableChange) -> tuple[int, int, int, int]:
    return change.lost, change.added, change.changed, change.filled
