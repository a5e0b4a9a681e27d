"""Constraints that rows from before them may break."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True)
class UnvalidatedConstraint:
    """A constraint that was added NOT VALID; `table` and `name` are quoted where they need it."""

    table: str
    name: str
    definition: str


def unvalidated_constraints(cursor: CursorWrapper) -> list[UnvalidatedConstraint]:
    """Those of all tables, without what is deliberately not enforced, by table and name."""
    cursor.execute(
        """
        SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
               pg_catalog.quote_ident(k.conname), pg_catalog.pg_get_constraintdef(k.oid)
        FROM pg_catalog.pg_constraint k
        JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT k.convalidated AND n.nspname !~ '^pg_'
          -- The column is there since PostgreSQL 18.
          AND coalesce(pg_catalog.to_jsonb(k) ->> 'conenforced', 'true') = 'true'
        ORDER BY 1, 2
        """
    )
    return [UnvalidatedConstraint(*row) for row in cursor.fetchall()]
