"""A fingerprint changes with every value, and not with a restore."""

from collections.abc import Iterator

import psycopg
import pytest

from apps.database.facts.fingerprints import METHODS, NEWEST, Column
from apps.database.facts.shape import schema_digest
from apps.database.facts.tables import TableContent, table_contents
from apps.database.server import Cluster
from tests import environment


@pytest.fixture
def admin(cluster: Cluster) -> Iterator[psycopg.Connection]:
    with cluster.connect(environment.DATABASE) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
        connection.execute(
            "CREATE TABLE things (id int, name text, price numeric(6, 2), at timestamptz,"
            " detail jsonb, tags text[])"
        )
        connection.execute(
            "CREATE TABLE kinds (id uuid, size int8, small int2, sold bool, day date,"
            " begun timestamp, at inet, raw bytea, word varchar(9), weight float8, code char(4))"
        )
        connection.execute(
            "INSERT INTO kinds SELECT gen_random_uuid(), n, n, true, '2026-01-01', '2026-01-01',"
            " '10.0.0.1', 'x', 'word', 0, 'ab' FROM generate_series(1, 5) n"
        )
        connection.execute("CREATE TABLE moods (id int, mood mood, weight numeric, span interval)")
        connection.execute(
            "INSERT INTO things SELECT n, 'name ' || n, n, now(), jsonb_build_object('n', n),"
            " ARRAY['a', n::text] FROM generate_series(1, 50) n"
        )
        connection.execute("INSERT INTO moods VALUES (1, 'good', 1.5, '1 day')")
        yield connection
        connection.execute("DROP TABLE things, moods, kinds")
        connection.execute("DROP TYPE mood")


SWAP = (
    "UPDATE things SET {0} = (SELECT o.{0} FROM things o WHERE o.id = 15 - things.id)"
    " WHERE id IN (7, 8)"
)


def content(admin: psycopg.Connection, table: str, method: int | None = NEWEST) -> TableContent:
    with admin.transaction():
        contents = table_contents(admin.cursor(), fingerprint_method=method)  # type: ignore[arg-type]
    return contents[f"public.{table}"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("kinds", "UPDATE kinds SET id = gen_random_uuid() WHERE size = 2"),
        ("kinds", "UPDATE kinds SET size = size + 1 WHERE size = 2"),
        ("kinds", "UPDATE kinds SET small = NULL WHERE size = 2"),
        ("kinds", "UPDATE kinds SET sold = false WHERE size = 2"),
        ("kinds", "UPDATE kinds SET sold = NULL WHERE size = 2"),
        ("kinds", "UPDATE kinds SET day = day + 1 WHERE size = 2"),
        ("kinds", "UPDATE kinds SET begun = begun + interval '1 microsecond' WHERE size = 2"),
        ("kinds", "UPDATE kinds SET at = '10.0.0.2' WHERE size = 2"),
        ("kinds", "UPDATE kinds SET raw = 'y' WHERE size = 2"),
        ("kinds", "UPDATE kinds SET word = 'worn' WHERE size = 2"),
        ("kinds", "UPDATE kinds SET weight = '-0' WHERE size = 2"),
        ("kinds", "UPDATE kinds SET code = 'abc' WHERE size = 2"),
        ("things", "UPDATE things SET name = 'name 7 ' WHERE id = 7"),
        ("things", "UPDATE things SET price = price + 0.01 WHERE id = 7"),
        ("things", "UPDATE things SET at = at + interval '1 microsecond' WHERE id = 7"),
        ("things", "UPDATE things SET detail = '{}' WHERE id = 7"),
        ("things", "UPDATE things SET tags = ARRAY['7', 'a'] WHERE id = 7"),
        ("things", "UPDATE things SET name = NULL WHERE id = 7"),
        ("things", SWAP.format("name")),
        ("things", SWAP.format("price")),
        ("moods", "UPDATE moods SET mood = 'bad' WHERE id = 1"),
        ("moods", "UPDATE moods SET weight = 1.50 WHERE id = 1"),
        ("moods", "UPDATE moods SET span = '24 hours' WHERE id = 1"),
    ],
)  # fmt: skip
def test_one_changed_value_changes_it(
    admin: psycopg.Connection, table: str, change: str, method: int
) -> None:
    before = content(admin, table, method)
    assert content(admin, table, method) == before
    admin.execute(change)
    after = content(admin, table, method)
    assert after.rows == before.rows
    assert after.fingerprint != before.fingerprint


def test_the_newest_method_sees_what_jsonb_prints(admin: psycopg.Connection) -> None:
    before = content(admin, "things")
    admin.execute("UPDATE things SET detail = '{\"n\": 7.0}' WHERE id = 7")
    assert content(admin, "things").fingerprint != before.fingerprint


def test_a_type_whose_cast_says_less_than_it_is_changes_it_too(admin: psycopg.Connection) -> None:
    with admin.transaction(force_rollback=True):
        admin.execute("CREATE TYPE pair AS (one int, two int)")
        admin.execute(
            "CREATE FUNCTION said(pair) RETURNS text IMMUTABLE LANGUAGE sql RETURN 'a pair'"
        )
        admin.execute("CREATE CAST (pair AS text) WITH FUNCTION said(pair)")
        admin.execute("CREATE TABLE pairs AS SELECT (1, 2)::pair AS pair")
        before = content(admin, "pairs")
        admin.execute("UPDATE public.pairs SET pair = (1, 3)::public.pair")
        assert content(admin, "pairs").fingerprint != before.fingerprint


def test_the_whole_of_a_large_number_counts(admin: psycopg.Connection) -> None:
    """PostgreSQL's own hash of a bigint folds both halves into one."""
    admin.execute("UPDATE kinds SET size = 0 WHERE size = 1")
    before = content(admin, "kinds")
    admin.execute("UPDATE kinds SET size = x'0000000700000007'::bigint WHERE size = 0")
    assert content(admin, "kinds").fingerprint != before.fingerprint


def test_the_order_of_rows_and_dropped_columns_do_not_matter(admin: psycopg.Connection) -> None:
    before = content(admin, "things")
    admin.execute("UPDATE things SET name = name WHERE id < 10")
    admin.execute("ALTER TABLE things ADD COLUMN extra int")
    admin.execute("ALTER TABLE things DROP COLUMN extra")
    assert content(admin, "things") == before


@pytest.mark.parametrize(
    ("kind", "scaled", "deterministic", "way"),
    [
        ("int4", False, True, "function"),
        ("numeric", True, True, "function"),
        ("numeric", False, True, "text"),
        ("text", False, False, "function"),
        ("timestamptz", False, True, "record"),
        ("_text", False, True, "record"),
        ("_text", False, False, "text"),
        ("float8", False, True, "text"),
        # A type of the database's own.
        ("", False, True, "text"),
    ],
)
def test_types_whose_hash_would_not_do_are_read_as_text(
    kind: str, scaled: bool, deterministic: bool, way: str
) -> None:
    assert Column("any", kind, scaled, deterministic).way == way


@pytest.mark.parametrize("method", METHODS)
def test_tables_of_no_column_and_of_very_many_have_one_too(
    admin: psycopg.Connection, method: int
) -> None:
    columns = ", ".join(f"c{number} int" for number in range(1500))
    admin.execute(f"CREATE TABLE wide ({columns})")
    admin.execute("CREATE TABLE bare ()")
    try:
        admin.execute("INSERT INTO wide (c0, c1499) VALUES (1, 2)")
        admin.execute("INSERT INTO bare DEFAULT VALUES")
        assert content(admin, "bare", method).rows == 1
        before = content(admin, "wide", method)
        admin.execute("UPDATE wide SET c1499 = 3")
        assert content(admin, "wide", method).fingerprint != before.fingerprint
    finally:
        admin.execute("DROP TABLE wide, bare")


def test_without_a_method_rows_are_counted(admin: psycopg.Connection) -> None:
    assert content(admin, "things", None) == TableContent(50, None)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE things ADD COLUMN extra int",
        "ALTER TABLE things ALTER COLUMN name SET DEFAULT 'x'",
        "ALTER TABLE things ALTER COLUMN name SET NOT NULL",
        "ALTER TABLE things ADD CHECK (id > 0)",
        "CREATE INDEX ON things (name)",
        "CREATE VIEW named AS SELECT name FROM things",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TYPE mood ADD VALUE 'mixed'",
    ],
)
def test_every_change_of_the_schema_changes_its_digest(
    admin: psycopg.Connection, change: str
) -> None:
    def digest() -> str:
        with admin.transaction():
            return schema_digest(admin.cursor())  # type: ignore[arg-type]

    before = digest()
    admin.execute(change)
    try:
        assert digest() != before
    finally:
        admin.execute("DROP VIEW IF EXISTS named; DROP FUNCTION IF EXISTS one")
