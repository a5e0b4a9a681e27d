"""Facts about indexes and keys."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True)
class UnindexedForeignKey:
    """A foreign key whose columns no usable index begins with."""

    schema: str
    table: str
    columns: tuple[str, ...]
    constraint: str

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}.{'_'.join(self.columns)}"


_UNINDEXED = """
WITH foreign_key AS (
    SELECT c.oid, c.conname, c.conrelid, c.conkey, n.nspname, t.relname
    FROM pg_catalog.pg_constraint c
    JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
    WHERE c.contype = 'f' AND c.conparentid = 0
      AND n.nspname NOT IN ('pg_catalog', 'information_schema')
),
-- Only a valid index over all rows can serve every look-up of the key.
usable_index AS (
    SELECT i.indrelid, i.indkey::int2[] AS columns, i.indnkeyatts
    FROM pg_catalog.pg_index i
    WHERE i.indisvalid AND i.indisready AND i.indpred IS NULL
)
SELECT k.nspname, k.relname,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS c(number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number
             ORDER BY c.place),
       k.conname
FROM foreign_key k
WHERE NOT EXISTS (
    SELECT 1 FROM usable_index i
    WHERE i.indrelid = k.conrelid AND i.indnkeyatts >= cardinality(k.conkey)
      -- The key's columns lead the index, in whatever order. An int2vector counts from 0.
      AND i.columns[0:cardinality(k.conkey) - 1] @> k.conkey
      AND i.columns[0:cardinality(k.conkey) - 1] <@ k.conkey
)
ORDER BY 1, 2, 4
"""


def unindexed_foreign_keys(cursor: CursorWrapper) -> list[UnindexedForeignKey]:
    """Foreign keys without a usable index; partial and invalid indexes do not count."""
    cursor.execute(_UNINDEXED)
    return [UnindexedForeignKey(row[0], row[1], tuple(row[2]), row[3]) for row in cursor]


def foreign_key_count(cursor: CursorWrapper) -> int:
    """How many foreign keys the database has outside the system's schemas."""
    cursor.execute(
        """
        SELECT count(*) FROM pg_catalog.pg_constraint c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
        WHERE c.contype = 'f' AND c.conparentid = 0
          AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        """
    )
    return int(cursor.fetchone()[0])
