"""Every row can be found without reading the whole table.

A foreign key without an index makes every deletion of a referenced row read the referencing table
under a lock. A table without a primary key has rows that nobody can name. A partial or an invalid
index helps neither. And what the counters show to be read whole, again and again, lacks one too.
"""

from collections.abc import Iterator
from contextlib import suppress

from psycopg.errors import UniqueViolation

from apps.controls.control import CannotSee, Finding, Level, Specimen, control
from apps.controls.inspection import Inspection, seen_counters
from apps.controls.planting import open_session, send, sequence, sql, wait
from apps.controls.scratch import Scratch
from apps.database.facts.counters import scanned_tables
from apps.database.facts.indexes import (
    InvalidIndex,
    foreign_key_count,
    index_count,
    invalid_indexes,
    tables_without_key,
    unindexed_foreign_keys,
)
from apps.database.facts.questions import quoted

# From here on reading a whole table takes milliseconds, and grows.
LARGE_ROWS = 10_000
# Backups, reports and ANALYZE read whole tables too, but not so often.
FEWEST_READINGS = 50
READINGS_AN_HOUR = 10
_TABLES = (
    "CREATE TABLE public.parent (a int, b int, PRIMARY KEY (a, b), UNIQUE (a))",
    "CREATE TABLE public.child (a int REFERENCES public.parent (a), b int, note text)",
)
_BOTH = (
    *_TABLES,
    "ALTER TABLE public.child DROP CONSTRAINT child_a_fkey",
    "ALTER TABLE public.child ADD FOREIGN KEY (a, b) REFERENCES public.parent (a, b)",
)
_PARTED = (
    _TABLES[0],
    (
        "CREATE TABLE public.child (a int REFERENCES public.parent (a), day date)"
        " PARTITION BY RANGE (day)"
    ),
    (
        "CREATE TABLE public.child_old PARTITION OF public.child"
        " FOR VALUES FROM (MINVALUE) TO (current_date)"
    ),
    # A partition that was attached may number its columns otherwise.
    "CREATE TABLE public.child_new (day date, gone int, a int)",
    "ALTER TABLE public.child_new DROP COLUMN gone",
    (
        "ALTER TABLE public.child ATTACH PARTITION public.child_new"
        " FOR VALUES FROM (current_date) TO (MAXVALUE)"
    ),
    "CREATE INDEX ON public.child_old (a)",
)


@control(
    "PERF-002.1",
    "Every foreign key has a usable index",
    specimens=(
        Specimen(
            "no index",
            plant=sql(*_TABLES),
            repair=sql("CREATE INDEX ON public.child (a)"),
            near_miss=sql(*_TABLES, "CREATE INDEX ON public.child (a, b)"),
            subject="public.child.a",
        ),
        Specimen(
            "a partial index only",
            plant=sql(*_TABLES, "CREATE INDEX ON public.child (a) WHERE b > 0"),
            repair=sql("CREATE INDEX ON public.child (a)"),
            # A look-up by the key implies that it is not null.
            near_miss=sql(*_TABLES, "CREATE INDEX ON public.child (a) WHERE a IS NOT NULL"),
            subject="public.child.a",
        ),
        Specimen(
            "two columns, and the index leads with a third",
            plant=sql(*_BOTH, "CREATE INDEX ON public.child (note, a, b)"),
            repair=sql("CREATE INDEX ON public.child (b, a)"),
            near_miss=sql(*_BOTH, "CREATE INDEX ON public.child (b, a, note)"),
            subject="public.child.a_b",
        ),
        Specimen(
            "a method that reads ranges of pages",
            plant=sql(*_TABLES, "CREATE INDEX ON public.child USING brin (a)"),
            repair=sql("CREATE INDEX ON public.child USING hash (a)"),
            near_miss=sql(*_TABLES, "CREATE INDEX ON public.child (a) INCLUDE (b)"),
            subject="public.child.a",
        ),
        Specimen(
            "one partition without",
            plant=sql(*_PARTED),
            repair=sql("CREATE INDEX ON public.child_new (a)"),
            near_miss=sql(*_PARTED, "CREATE INDEX ON public.child (a)"),
            subject="public.child.a",
        ),
    ),
)
def foreign_keys_are_indexed(inspection: Inspection) -> Iterator[Finding]:
    inspection.evidence["foreign_keys"] = foreign_key_count(inspection.cursor)
    for key in unindexed_foreign_keys(inspection.cursor):
        yield Finding(
            Level.WARNING,
            "Foreign key without a usable index",
            key.subject,
            f"The constraint {key.constraint} is looked up by reading the whole table.",
            key.remedy,
        )


@control(
    "PERF-002.2",
    "Every table has a primary key",
    specimens=(
        Specimen(
            "none",
            plant=sql("CREATE TABLE public.planted (a int, b int)"),
            repair=sql("ALTER TABLE public.planted ADD PRIMARY KEY (a, b)"),
            near_miss=sql(
                "CREATE VIEW public.seen AS SELECT 1 AS a",
                "CREATE TEMPORARY TABLE fleeting (a int)",
                "CREATE TABLE public.parted (a int PRIMARY KEY) PARTITION BY RANGE (a)",
                "CREATE TABLE public.part PARTITION OF public.parted DEFAULT",
            ),
            subject="public.planted",
        ),
        Specimen(
            "a partitioned table without, and a partition with",
            plant=sql(
                "CREATE TABLE public.parted (a int) PARTITION BY RANGE (a)",
                "CREATE TABLE public.part PARTITION OF public.parted (PRIMARY KEY (a)) DEFAULT",
            ),
            repair=sql("ALTER TABLE public.parted ADD PRIMARY KEY (a)"),
            near_miss=sql(
                "CREATE TABLE public.theirs (a int)",
                "ALTER EXTENSION pg_trgm ADD TABLE public.theirs",
            ),
            subject="public.parted",
        ),
    ),
)
def tables_have_keys(inspection: Inspection) -> Iterator[Finding]:
    found = tables_without_key(inspection.cursor)
    inspection.evidence["without"] = len(found)
    for table in found:
        name = quoted(table.schema, table.table)
        if table.candidate is None:
            detail = "Its rows cannot be told apart; replicas and tools cannot change one of them."
            remedy = (
                f"ALTER TABLE {name} ADD PRIMARY KEY (…) over the columns that name a row; without "
                f"any: ALTER TABLE {name} ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY "
                "PRIMARY KEY; which rewrites the table."
            )
        else:
            detail = f"The unique index {table.candidate} names its rows, and is not the key."
            remedy = f"ALTER TABLE {name} ADD PRIMARY KEY USING INDEX {quoted(table.candidate)};"
        yield Finding(Level.WARNING, "Table without a primary key", table.subject, detail, remedy)


_TWICE = (
    "CREATE TABLE public.planted (a int PRIMARY KEY, b int)",
    "INSERT INTO public.planted VALUES (1, 1), (2, 1)",
)


def _break_off(scratch: Scratch) -> None:
    """Make an index concurrently, and fail: two rows are the same."""
    with scratch.connect("superuser") as connection, suppress(UniqueViolation):
        connection.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON public.planted (b)")


@control(
    "PERF-002.3",
    "Every index is valid",
    specimens=(
        Specimen(
            "its making broke off",
            plant=sequence(sql(*_TWICE), _break_off),
            repair=sql("DROP INDEX CONCURRENTLY public.broken"),
            # One that is being made now waits for a transaction, and looks the same.
            near_miss=sequence(
                sql(*_TWICE),
                open_session("superuser", "BEGIN", "UPDATE public.planted SET b = 2 WHERE a = 2"),
                send("superuser", "CREATE INDEX CONCURRENTLY growing ON public.planted (b)"),
                wait(0.5),
            ),
            subject="public.planted.broken",
        ),
        Specimen(
            "a partitioned one without all its parts",
            plant=sql(
                "CREATE TABLE public.parted (a int PRIMARY KEY, b int) PARTITION BY RANGE (a)",
                "CREATE TABLE public.part PARTITION OF public.parted DEFAULT",
                "CREATE INDEX half ON ONLY public.parted (b)",
            ),
            repair=sql(
                "CREATE INDEX other_half ON public.part (b)",
                "ALTER INDEX public.half ATTACH PARTITION public.other_half",
            ),
            near_miss=sql(
                "CREATE TABLE public.parted (a int PRIMARY KEY, b int) PARTITION BY RANGE (a)",
                "CREATE INDEX whole ON ONLY public.parted (b)",
            ),
            subject="public.parted.half",
        ),
    ),
)
def indexes_are_valid(inspection: Inspection) -> Iterator[Finding]:
    found = invalid_indexes(inspection.cursor)
    inspection.evidence.update(
        indexes=index_count(inspection.cursor), invalid=[index.subject for index in found]
    )
    if any(index.unseen for index in found):
        raise CannotSee(
            f"{found[0].subject} is not valid; whether somebody is making it now is hidden.",
            "GRANT pg_monitor TO the role that judges.",
        )
    for index in found:
        yield Finding(
            Level.ERROR,
            "Index that serves no query",
            index.subject,
            "It is not valid: writes keep it up, as far as they do, and no query uses it.",
            _mended(index),
        )


def _mended(index: InvalidIndex) -> str:
    name = quoted(index.schema, index.name)
    if index.partitioned:
        return (
            f"Make an index on every partition that lacks one, then for each: "
            f"ALTER INDEX {name} ATTACH PARTITION …;"
        )
    if index.constraint is None and index.name.endswith(("_ccnew", "_ccold")):
        return f"DROP INDEX CONCURRENTLY {name};"
    return f"REINDEX INDEX CONCURRENTLY {name}; or drop it: DROP INDEX CONCURRENTLY {name};"


_LARGE = (
    "CREATE TABLE public.large (a int PRIMARY KEY, b int)",
    "INSERT INTO public.large SELECT n, n FROM generate_series(1, 12000) n",
    "CREATE TABLE public.small (a int PRIMARY KEY, b int)",
    "INSERT INTO public.small SELECT n, n FROM generate_series(1, 1000) n",
)
# In a session of its own: what one has written is counted when it ends.
_ANALYZED = sql("ANALYZE public.large, public.small")


def _read(table: str, times: int, column: str = "b") -> str:
    """A block that looks one row up, again and again, as its plan will have it."""
    return (
        f"DO $$ BEGIN FOR n IN 1..{times} LOOP"
        f" PERFORM 1 FROM public.{table} WHERE {column} = 500; END LOOP; END $$"
    )


@control(
    "PERF-002.4",
    "No large table is read whole again and again",
    specimens=(
        Specimen(
            "a column that is looked up and has no index",
            plant=sequence(sql(*_LARGE), _ANALYZED, sql(_read("large", 60))),
            repair=sql(
                "CREATE INDEX ON public.large (b)",
                "SELECT pg_stat_reset_single_table_counters('public.large'::regclass)",
                _read("large", 60),
            ),
            near_miss=sequence(
                sql(*_LARGE),
                _ANALYZED,
                sql(
                    _read("small", 500),
                    _read("large", 500, column="a"),
                    # As often as a backup and a few reports would.
                    _read("large", 20),
                ),
            ),
            subject="public.large",
        ),
    ),
)
def tables_are_not_read_whole(inspection: Inspection) -> Iterator[Finding]:
    seen = seen_counters(inspection)
    hours = seen.days * 24
    least = max(FEWEST_READINGS, READINGS_AN_HOUR * hours)
    found = scanned_tables(inspection.cursor, LARGE_ROWS, least)
    inspection.evidence.update(
        hours=round(hours, 1), tolerated_readings=round(least), tables=len(found)
    )
    for table in found:
        yield Finding(
            Level.WARNING,
            "A large table is read whole again and again",
            table.subject,
            f"Its {table.rows} rows were all read {table.readings:.0f} times in "
            f"{hours:.1f} hours, by {table.scans} sequential scans; its indexes were "
            f"used {table.index_scans} times.",
            f"Look in pg_stat_statements for the query on {table.table} with the most calls, and "
            f"index what it looks up: CREATE INDEX CONCURRENTLY ON "
            f"{quoted(table.schema, table.table)} (…);",
        )
