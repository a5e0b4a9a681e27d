"""A live database for the corpus: the shop's first tables, filled, on the tests' own server."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from django.db.migrations.executor import MigrationExecutor
from psycopg.sql import SQL, Identifier

from apps.database.connection import role_entry
from apps.database.server import SUPERUSER, Cluster
from apps.schema.rehearsal.place import standing_in
from config.database import DatabaseEntry

APP = "tests.schema.corpus.shop"
_ROWS = """
INSERT INTO shop_genre (name) SELECT 'genre ' || g FROM generate_series(1, 20) g;
INSERT INTO shop_author (name, email, country, code, number, visits, balance, born, rating,
                         nickname, remark, motto, area, street, active)
SELECT 'Author ' || g, 'author' || g || '@example.org', 'nl', 'code ' || g, g, 1, g / 100.0,
       1900 + g %% 100, 3, 'nick ' || g, NULL, 'a motto of author ' || g, 1, 'Street ' || g, true
FROM generate_series(1, %(rows)s) g;
INSERT INTO shop_book (title, author_id, genre_number)
SELECT 'Book ' || g, g, 1 + g %% 20 FROM generate_series(1, %(books)s) g;
INSERT INTO shop_draft (text) SELECT 'draft ' || g FROM generate_series(1, 100) g;
INSERT INTO shop_visit (page) SELECT 'page ' || g FROM generate_series(1, 500) g;
INSERT INTO shop_basket (note) SELECT 'basket ' || g FROM generate_series(1, 50) g;
"""


@contextmanager
def live_shop(cluster: Cluster, rows: int, books: int = 12_000) -> Iterator[DatabaseEntry]:
    """The address of a database with the shop's first migration applied; dropped afterwards."""
    name = f"shop_{secrets.token_hex(4)}"
    entry = role_entry("owner")
    entry |= {
        "HOST": str(cluster.socket_folder),
        "PORT": "",
        "NAME": name,
        "USER": SUPERUSER,
        "PASSWORD": cluster.superuser_password(),
    }
    with cluster.connect() as admin:
        admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        try:
            with standing_in(entry) as connection:
                executor = MigrationExecutor(connection)
                executor.migrate([("shop", "0001_initial")])
                with connection.cursor() as cursor:
                    for statement in _ROWS.strip().split(";\n"):
                        cursor.execute(statement, {"rows": rows, "books": books})
                    cursor.execute("ANALYZE")
            yield entry
        finally:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
