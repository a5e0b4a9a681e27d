"""What is in a database: all that a restore of it must bring back."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper

from apps.database.chains import Head, chain_heads, declared_chains
from apps.database.facts.sequences import sequence_positions
from apps.database.facts.server import extensions, locale, server_version
from apps.database.facts.shape import schema_digest
from apps.database.facts.tables import TableContent, table_contents


@dataclass(frozen=True)
class Contents:
    """The facts of one moment; a sequence's position is what it would give next."""

    server_version: str
    locale: dict[str, str]
    extensions: dict[str, str]
    migrations: dict[str, list[str]]
    schema_digest: str
    tables: dict[str, TableContent]
    sequences: dict[str, int]
    heads: dict[str, Head]


def read_contents(cursor: CursorWrapper, *, fingerprint_method: int | None) -> Contents:
    """Everything, inside the cursor's transaction; without a method the rows are counted only."""
    return Contents(
        server_version=server_version(cursor),
        locale=locale(cursor),
        extensions=extensions(cursor),
        migrations=applied_migrations(cursor),
        schema_digest=schema_digest(cursor),
        sequences=sequence_positions(cursor),
        heads=chain_heads(cursor, declared_chains()),
        tables=table_contents(cursor, fingerprint_method=fingerprint_method),
    )


def applied_migrations(cursor: CursorWrapper) -> dict[str, list[str]]:
    """Names of the applied migrations by application; {} where Django never migrated."""
    cursor.execute("SELECT pg_catalog.to_regclass('public.django_migrations') IS NOT NULL")
    if not cursor.fetchone()[0]:
        return {}
    cursor.execute("SELECT app, name FROM public.django_migrations ORDER BY 1, 2")
    applied: dict[str, list[str]] = {}
    for application, name in cursor.fetchall():
        applied.setdefault(application, []).append(name)
    return applied
