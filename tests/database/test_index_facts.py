"""What is read out of expressions, statements and plans, and how well empty pages are estimated."""

import re
from collections.abc import Iterator

import psycopg
import pytest

from apps.database.facts.bloat import Column, estimates, index_pages_needed, table_pages
from apps.database.facts.indexes import NeedlessIndex
from apps.database.facts.near_spelling import searched_columns
from apps.database.facts.search_configuration import calls_of, plain
from apps.database.server import Cluster
from tests import environment

FIXED = [Column(1, 4, "i", 4, 0.0), Column(2, 8, "d", 8, 0.0)]


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[psycopg.Connection]:
    with cluster.connect(environment.DATABASE) as connection:
        yield connection
        connection.execute("DROP TABLE IF EXISTS wide, mixed")


def test_a_row_takes_its_header_its_gaps_and_its_pointer() -> None:
    # 24 of header, 4 and a gap of 4, 8, and 4 of pointer: 44 bytes, 185 rows a page.
    assert table_pages(FIXED, 185, 100) == 1
    assert table_pages(FIXED, 186, 100) == 2
    assert table_pages(FIXED, 185, 50) == 3


def test_an_index_takes_its_entries_and_one_page_more() -> None:
    assert index_pages_needed(FIXED[:1], 0, 90) == 1
    # 16 bytes an entry with its gap, and 4 of pointer.
    assert index_pages_needed(FIXED[:1], 3660, 90) == 11


def test_the_estimate_of_full_tables_is_near_what_they_have(admin: psycopg.Connection) -> None:
    admin.execute(
        "CREATE TABLE mixed AS SELECT n AS id, n % 2 = 0 AS flag, n::bigint AS large,"
        " CASE WHEN n % 3 = 0 THEN md5(n::text) END AS word, now() AS at, repeat('y', n % 300)"
        " AS body FROM generate_series(1, 30000) n"
    )
    admin.execute(
        "CREATE TABLE wide AS SELECT n AS id, repeat('z', 100) AS body"
        " FROM generate_series(1, 30000) n"
    )
    admin.execute("CREATE INDEX wide_body ON wide (body, id)")
    admin.execute("VACUUM ANALYZE mixed, wide")
    found = {
        estimate.subject: estimate
        for table in estimates(admin.cursor(), 100)  # type: ignore[arg-type]
        for estimate in table.estimates
    }
    for subject in ("public.mixed", "public.wide", "public.wide.wide_body"):
        estimate = found[subject]
        assert 0.8 < estimate.needed / estimate.pages < 1.15, estimate


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("SELECT * FROM t WHERE title ILIKE $1", {("title", False)}),
        ('SELECT 1 FROM "t" WHERE "t"."title"::text NOT ILIKE $1', {("title", False)}),
        ('WHERE UPPER("t"."title"::text) LIKE UPPER($1)', {("title", True)}),
        ("WHERE title ~~* $1", {("title", False)}),
        ("WHERE title %> $1 AND $2 <% name", {("title", False), ("name", False)}),
        ("WHERE title % $1", {("title", False)}),
        ("WHERE title LIKE $1", set()),
        ("WHERE upper(title) = $1", set()),
    ],
)
def test_columns_that_are_searched_in_the_middle(text: str, columns: set[tuple[str, bool]]) -> None:
    assert searched_columns(text) == columns


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("words @@ to_tsquery($1)", [["$1"]]),
        ("to_tsquery('english', concat(a, b))", [["'english'", "concat(a, b)"]]),
        ("to_tsquery('a, (b')", [["'a, (b'"]]),
        ("to_tsquery(f(a, b)) || to_tsquery(c)", [["f(a, b)"], ["c"]]),
        ("to_tsquery(never closed", []),
        ("my_to_tsqueryish(a)", []),
    ],
)
def test_the_arguments_of_calls(text: str, arguments: list[list[str]]) -> None:
    assert list(calls_of(text, re.compile(r"\bto_tsquery\s*\("))) == arguments


def test_a_configuration_is_known_by_its_own_name() -> None:
    assert {plain(name) for name in ("english", "pg_catalog.english", "'english'")} == {"english"}


@pytest.mark.parametrize(
    ("name", "serves_key", "other_unique", "made"),
    [
        ("app_book_tags_book_id_0a1b2c3d", True, True, True),
        ("app_book_tags_book_id_0a1b2c3d", True, False, False),
        ("app_book_tags_book_id_0a1b2c3d", False, True, False),
        ("book_idx", True, True, False),
    ],
)
def test_only_what_django_makes_again_is_left_alone(
    name: str, serves_key: bool, other_unique: bool, made: bool
) -> None:
    index = NeedlessIndex(
        "public", "t", name, None, "other", same=False, other_unique=other_unique,
        partitioned=False, serves_key=serves_key,
    )  # fmt: skip
    assert index.made_by_django is made
