"""No index costs writes and disk without serving a query that another one does not serve.

Two that are the same, one that is the beginning of another, and one that no query has used for a
month. Unused is a word for counters that are old enough, on a server whose replicas do not read: a
replica counts for itself. What a foreign key or a constraint needs is never called so.
"""

from collections.abc import Iterator

from django.conf import settings

from apps.controls.control import CannotSee, Finding, Level, Specimen, control
from apps.controls.inspection import Inspection, seen_counters
from apps.controls.planting import aged_counters, sequence, sql
from apps.database.facts.indexes import (
    IdleIndex,
    NeedlessIndex,
    idle_indexes,
    index_count,
    needless_indexes,
)
from apps.database.facts.questions import quoted

# One megabyte; what is smaller costs nothing worth a word.
LARGE_PAGES = 128
_TABLE = (
    "CREATE TABLE public.planted (id int PRIMARY KEY, a int, b int, note text, tags text[],"
    " day date)"
)


@control(
    "PERF-002.5",
    "No two indexes are the same",
    specimens=(
        Specimen(
            "made twice",
            plant=sql(
                _TABLE,
                "CREATE INDEX first ON public.planted (a, b)",
                "CREATE INDEX second ON public.planted (a, b)",
            ),
            repair=sql("DROP INDEX public.second"),
            near_miss=sql(
                _TABLE,
                "CREATE INDEX forwards ON public.planted (a, b)",
                "CREATE INDEX backwards ON public.planted (a DESC, b)",
                "CREATE INDEX swapped ON public.planted (b, a)",
                "CREATE INDEX few ON public.planted (a, b) WHERE b > 0",
                "CREATE INDEX fewer ON public.planted (a, b) WHERE b > 9",
                "CREATE INDEX hashed ON public.planted USING hash (note)",
                "CREATE INDEX sorted ON public.planted (note)",
                "CREATE INDEX patterned ON public.planted (note text_pattern_ops)",
                'CREATE INDEX collated ON public.planted (note COLLATE "C")',
            ),
            subject="public.planted.second",
        ),
        Specimen(
            "beside the key",
            plant=sql(_TABLE, "CREATE UNIQUE INDEX again ON public.planted (id)"),
            repair=sql("DROP INDEX public.again"),
            near_miss=sql(_TABLE, "CREATE UNIQUE INDEX elsewhere ON public.planted (a)"),
            subject="public.planted.again",
        ),
        Specimen(
            "of the same expressions under the same condition",
            plant=sql(
                _TABLE,
                "CREATE INDEX first ON public.planted (lower(note))   WHERE   a > 1",
                "CREATE INDEX second ON public.planted (lower( note )) WHERE (a > 1)",
            ),
            repair=sql("DROP INDEX public.second"),
            near_miss=sql(
                _TABLE,
                "CREATE INDEX lowered ON public.planted (lower(note)) WHERE a > 1",
                "CREATE INDEX raised ON public.planted (upper(note)) WHERE a > 1",
            ),
            subject="public.planted.second",
        ),
    ),
)
def indexes_differ(inspection: Inspection) -> Iterator[Finding]:
    inspection.evidence["indexes"] = index_count(inspection.cursor)
    for index in needless_indexes(inspection.cursor):
        if index.same:
            yield _needless(index, "Index that another one repeats", "The same columns has")


def _needless(index: NeedlessIndex, title: str, words: str) -> Finding:
    return Finding(
        Level.WARNING,
        title,
        index.subject,
        f"{words} {index.other}; every write keeps both up.",
        index.remedy,
    )


@control(
    "PERF-002.6",
    "No index is only the beginning of another",
    specimens=(
        Specimen(
            "the first column of two",
            plant=sql(
                _TABLE,
                "CREATE INDEX short ON public.planted (a)",
                "CREATE INDEX long ON public.planted (a, b)",
            ),
            repair=sql("DROP INDEX public.short"),
            near_miss=sql(
                _TABLE,
                "CREATE INDEX long ON public.planted (a, b)",
                "CREATE UNIQUE INDEX rule ON public.planted (a)",
                "CREATE INDEX last ON public.planted (b)",
                "CREATE INDEX carrying ON public.planted (a) INCLUDE (note)",
                "CREATE INDEX partly ON public.planted (a) WHERE b > 0",
                "CREATE INDEX hashed ON public.planted USING hash (a)",
            ),
            subject="public.planted.short",
        ),
        Specimen(
            "an expression, and more behind it",
            plant=sql(
                _TABLE,
                "CREATE INDEX short ON public.planted (a)",
                "CREATE INDEX long ON public.planted (a, lower(note))",
            ),
            repair=sql("DROP INDEX public.long"),
            near_miss=sql(
                _TABLE,
                "CREATE INDEX short ON public.planted (lower(note))",
                "CREATE INDEX long ON public.planted (upper(note), a)",
            ),
            subject="public.planted.short",
        ),
        Specimen(
            "beside a unique constraint",
            plant=sql(
                "CREATE TABLE public.referred (id int PRIMARY KEY)",
                "CREATE TABLE public.planted (id int PRIMARY KEY, b int,"
                " a int REFERENCES public.referred, UNIQUE (a, b))",
                "CREATE INDEX short ON public.planted (a)",
            ),
            repair=sql("DROP INDEX public.short"),
            # Django makes the same with every many-to-many table, and would make it again.
            near_miss=sql(
                "CREATE TABLE public.referred (id int PRIMARY KEY)",
                "CREATE TABLE public.planted (id int PRIMARY KEY, b int,"
                " a int REFERENCES public.referred, UNIQUE (a, b))",
                "CREATE INDEX planted_a_0123abcd ON public.planted (a)",
            ),
            subject="public.planted.short",
        ),
    ),
)
def indexes_are_not_beginnings(inspection: Inspection) -> Iterator[Finding]:
    found = [index for index in needless_indexes(inspection.cursor) if not index.same]
    inspection.evidence.update(
        indexes=index_count(inspection.cursor),
        made_by_django=[index.subject for index in found if index.made_by_django],
    )
    for index in found:
        if not index.made_by_django:
            yield _needless(index, "Index that begins another one", "Every look-up of it serves")


_AGED = aged_counters(days=40)
_ROWS = "INSERT INTO public.planted SELECT n, n, n % 50 FROM generate_series(1, 80000) n"


@control(
    "PERF-002.7",
    "Every large index is used",
    specimens=(
        Specimen(
            "never since the counters began",
            plant=sequence(sql(_TABLE, _ROWS, "CREATE INDEX idle ON public.planted (a)"), _AGED),
            repair=sql("DROP INDEX public.idle"),
            near_miss=sequence(
                sql(
                    _TABLE,
                    _ROWS,
                    "CREATE TABLE public.referred (id int PRIMARY KEY)",
                    "INSERT INTO public.referred SELECT generate_series(0, 49)",
                    "ALTER TABLE public.planted ADD FOREIGN KEY (b) REFERENCES public.referred",
                    "CREATE INDEX used ON public.planted (a)",
                    "CREATE INDEX wanted_by_a_key ON public.planted (b, a)",
                    "CREATE UNIQUE INDEX rule ON public.planted (id, a)",
                    "CREATE INDEX small ON public.planted (id) WHERE id < 1000",
                    "ANALYZE public.planted",
                    "SELECT 1 FROM public.planted WHERE a = 7",
                ),
                _AGED,
            ),
            subject="public.planted.idle",
        ),
    ),
)
def indexes_are_used(inspection: Inspection) -> Iterator[Finding]:
    seen = seen_counters(inspection)
    found = [
        index
        for index in idle_indexes(inspection.cursor, LARGE_PAGES)
        # Where the server keeps commit times, an index that is younger than that is not judged.
        if index.age_seconds is None or index.age_seconds > settings.STATISTICS_DAYS * 86400
    ]
    inspection.evidence.update(
        days=round(seen.days, 1), replicas=list(seen.replicas), idle=[i.subject for i in found]
    )
    if not found:
        return
    first = f"{found[0].subject} and {len(found) - 1} more were not used"
    if seen.on_replica or seen.replicas:
        where = "a replica" if seen.on_replica else ", ".join(seen.replicas)
        raise CannotSee(
            f"{first} here; this server counts for itself, and others may use them ({where}).",
            "Look at idx_scan of pg_stat_user_indexes on the primary and on every replica.",
        )
    if seen.days < settings.STATISTICS_DAYS:
        raise CannotSee(
            f"{first} in {seen.days:.1f} days; expected {settings.STATISTICS_DAYS} days of "
            "counting before an index is called unused."
        )
    for index in found:
        yield _unused(index, seen.days)


def _unused(index: IdleIndex, days: float) -> Finding:
    how = "" if index.partitioned else " CONCURRENTLY"
    return Finding(
        Level.WARNING,
        "Index that no query uses",
        index.subject,
        f"Not once in {days:.0f} days; it takes {index.bytes / 1e6:.1f} MB and a part of every "
        "write.",
        f"DROP INDEX{how} {quoted(index.schema, index.name)};",
    )
