"""A UUID names one row.

Keys are version 7 UUIDs made in Python. That two are equal is next to impossible, and what holds
it is the primary key: a conflict is an error, never an overwrite.
"""

from collections.abc import Iterator
from uuid import UUID

from apps.controls.control import Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import append, original, sql
from apps.database.keys import uuid7

_KEYLESS = """
SELECT n.nspname || '.' || c.relname || '.' || a.attname, i.indexrelid IS NOT NULL
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typname = 'uuid'
LEFT JOIN LATERAL (
    SELECT x.indexrelid FROM pg_catalog.pg_index x
    WHERE x.indrelid = c.oid AND x.indisunique AND x.indisvalid AND x.indisready
      AND x.indimmediate AND x.indpred IS NULL AND x.indnkeyatts = 1 AND x.indkey[0] = a.attnum
    LIMIT 1
) i ON true
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname = 'id'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1
"""
SAMPLE = 10_000


@control(
    "DATA-004.1",
    "Every UUID that names a row is unique",
    specimens=(
        Specimen(
            "a primary key dropped",
            plant=sql("ALTER TABLE controls_verdict DROP CONSTRAINT controls_verdict_pkey"),
            repair=sql("ALTER TABLE controls_verdict ADD PRIMARY KEY (id)"),
            near_miss=sql("CREATE TABLE public.pointing (other uuid)"),
            subject="public.controls_verdict.id",
        ),
        Specimen(
            "unique among some rows only",
            plant=sql(
                "CREATE TABLE public.partly (id uuid, gone boolean)",
                "CREATE UNIQUE INDEX partly_id ON public.partly (id) WHERE NOT gone",
            ),
            repair=sql("CREATE UNIQUE INDEX wholly ON public.partly (id)"),
            near_miss=sql("CREATE TABLE public.wholly (id uuid UNIQUE)"),
            subject="public.partly.id",
        ),
    ),
)
def uuids_are_unique(inspection: Inspection) -> Iterator[Finding]:
    inspection.cursor.execute(_KEYLESS)
    rows = inspection.cursor.fetchall()
    inspection.evidence["columns"] = len(rows)
    for column, unique in rows:
        if unique:
            continue
        table, _, name = column.rpartition(".")
        yield Finding(
            Level.ERROR,
            "A UUID may name two rows",
            column,
            "No primary key and no unique index over all rows stands on it.",
            f'ALTER TABLE {table} ADD PRIMARY KEY ("{name}");',
        )


_CONSTANT = """

def uuid7() -> UUID:
    return UUID(int=7)
"""
_RANDOM = """

def uuid7() -> UUID:
    import uuid
    return uuid.uuid4()
"""
_WRAPPED = """

_made = uuid7


def uuid7() -> UUID:
    return _made()
"""


@control(
    "DATA-004.2",
    "The generator of keys is healthy: unique, version 7, in the order of time",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "always the same key",
            plant=append("apps/database/keys.py", _CONSTANT),
            repair=original("apps/database/keys.py"),
            near_miss=append("apps/database/keys.py", _WRAPPED),
            subject="uuid7",
            peer=True,
        ),
        Specimen(
            "keys without an order",
            plant=append("apps/database/keys.py", _RANDOM),
            repair=original("apps/database/keys.py"),
            near_miss=append("apps/database/keys.py", "\n# A remark.\n"),
            subject="uuid7",
            peer=True,
        ),
    ),
)
def generator_is_healthy(inspection: Inspection) -> Iterator[Finding]:
    made: list[UUID] = [uuid7() for _ in range(SAMPLE)]
    wrong = {
        "not unique": len(set(made)) < SAMPLE,
        "not of version 7": any(key.version != 7 for key in made),
        "not in the order of time": made != sorted(made),
    }
    inspection.evidence.update(sample=SAMPLE, first=str(made[0]), last=str(made[-1]))
    for words in (words for words, is_wrong in wrong.items() if is_wrong):
        yield Finding(
            Level.ERROR,
            "The generator of keys is not healthy",
            "uuid7",
            f"Of {SAMPLE} keys made in a row some are {words}.",
            "Mend apps/database/keys.py, or upgrade uuid-utils.",
        )
