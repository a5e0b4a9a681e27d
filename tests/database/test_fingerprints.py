"""A fingerprint changes with every value, and not with a restore."""

from collections.abc import Iterator

import psycopg
import pytest

from apps.database.facts.shape import schema_digest
from apps.database.facts.tables import TableContent, _wholly_hashed, table_contents
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
        connection.execute("CREATE TABLE moods (id int, mood mood, weight numeric, span interval)")
        connection.execute(
            "INSERT INTO things SELECT n, 'name ' || n, n, now(), jsonb_build_object('n', n),"
            " ARRAY['a', n::text] FROM generate_series(1, 50) n"
        )
        connection.execute("INSERT INTO moods VALUES (1, 'good', 1.5, '1 day')")
        yield connection
        connection.execute("DROP TABLE things, moods")
        connection.execute("DROP TYPE mood")


SWAP = (
    "UPDATE things SET {0} = (SELECT o.{0} FROM things o WHERE o.id = 15 - things.id)"
    " WHERE id IN (7, 8)"
)


def content(admin: psycopg.Connection, table: str) -> TableContent:
    with admin.transaction():
        return table_contents(admin.cursor())[f"public.{table}"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("table", "change"),
    [
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
def test_one_changed_value_changes_it(admin: psycopg.Connection, table: str, change: str) -> None:
    before = content(admin, table)
    assert content(admin, table) == before
    admin.execute(change)
    after = content(admin, table)
    assert after.rows == before.rows
    assert after.fingerprint != before.fingerprint


def test_the_order_of_rows_and_dropped_columns_do_not_matter(admin: psycopg.Connection) -> None:
    before = content(admin, "things")
    admin.execute("UPDATE things SET name = name WHERE id < 10")
    admin.execute("ALTER TABLE things ADD COLUMN extra int")
    admin.execute("ALTER TABLE things DROP COLUMN extra")
    assert content(admin, "things") == before


def test_types_whose_hash_would_not_do_are_read_as_text(admin: psycopg.Connection) -> None:
    hashed = _wholly_hashed(admin.cursor())  # type: ignore[arg-type]
    assert ("public", "things") in hashed
    assert ("public", "moods") not in hashed


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
