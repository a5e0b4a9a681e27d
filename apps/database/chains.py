"""The heads of append-only chains: place and digest of each chain's newest row."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.apps import apps
from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Identifier


@dataclass(frozen=True)
class Head:
    """The newest row of a chain, as somebody outside the chain remembers it."""

    sequence: int
    digest: str

    def __str__(self) -> str:
        return f"{self.sequence}:{self.digest}"


def declared_chains() -> dict[str, tuple[str, str]]:
    """The chains of the installed applications: by table, the columns of place and digest.

    An application's configuration says so: `chained = {table: (column, column)}`. Who stands
    left of that application can so keep its head without knowing what the chain is about.
    """
    found: dict[str, tuple[str, str]] = {}
    for config in apps.get_app_configs():
        found |= getattr(config, "chained", {})
    return found


def chain_heads(cursor: CursorWrapper, chains: Mapping[str, tuple[str, str]]) -> dict[str, Head]:
    """The head of each chain by table; none of a table that is empty or is not there."""
    heads = {}
    for table, (sequence, digest) in sorted(chains.items()):
        cursor.execute("SELECT pg_catalog.to_regclass(%s) IS NOT NULL", [f"public.{table}"])
        if not cursor.fetchone()[0]:
            continue
        cursor.execute(
            SQL("SELECT {sequence}, {digest} FROM {table} ORDER BY {sequence} DESC LIMIT 1").format(
                sequence=Identifier(sequence),
                digest=Identifier(digest),
                table=Identifier("public", table),
            )
        )
        row = cursor.fetchone()
        if row:
            heads[table] = Head(int(row[0]), str(row[1]))
    return heads
