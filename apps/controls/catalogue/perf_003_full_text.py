"""Full-text search is answered by indexes that hold the words that are asked for.

A tsvector without a GIN or GiST index is read whole at every search; a btree keeps it in order,
which finds no word. And a GIN index that may put off much of its work reads all of that at every
search.
"""

from collections.abc import Iterator

from apps.controls.control import CannotSee, Finding, Level, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import sql
from apps.database.facts.full_text import (
    PendingList,
    long_pending_lists,
    pending_pages,
    search_column_count,
    sorting_search_indexes,
    unsearchable_columns,
)
from apps.database.facts.questions import quoted

# Twice PostgreSQL's own limit: up to there a search reads the list in milliseconds.
LONGEST_KILOBYTES = 8192
PAGE_KILOBYTES = 8
_TABLE = "CREATE TABLE public.planted (id int PRIMARY KEY, body text, words tsvector)"
_PARTED = (
    "CREATE TABLE public.parted (id int PRIMARY KEY, words tsvector) PARTITION BY RANGE (id)",
    "CREATE TABLE public.old PARTITION OF public.parted FOR VALUES FROM (MINVALUE) TO (9)",
    "CREATE TABLE public.new PARTITION OF public.parted FOR VALUES FROM (9) TO (MAXVALUE)",
    "CREATE INDEX ON public.old USING gin (words)",
)


@control(
    "PERF-003.1",
    "Every full-text column has an index that searches it",
    specimens=(
        Specimen(
            "no index",
            plant=sql(_TABLE),
            repair=sql("CREATE INDEX ON public.planted USING gin (words)"),
            near_miss=sql(
                _TABLE,
                "CREATE INDEX ON public.planted USING gist (words)",
                # A text without a column of its words is searched by an expression.
                "CREATE TABLE public.plain (id int PRIMARY KEY, body text)",
                "CREATE INDEX ON public.plain USING gin (to_tsvector('english', body))",
            ),
            subject="public.planted.words",
        ),
        Specimen(
            "a btree only",
            plant=sql(_TABLE, "CREATE INDEX ON public.planted (words)"),
            repair=sql("CREATE INDEX ON public.planted USING gin (words)"),
            near_miss=sql(
                _TABLE,
                "CREATE INDEX ON public.planted USING gin (words) WHERE id > 0",
                "CREATE INDEX ON public.planted (id, body)",
            ),
            subject="public.planted.words",
        ),
        Specimen(
            "one partition without",
            plant=sql(*_PARTED),
            repair=sql("CREATE INDEX ON public.new USING gin (words)"),
            near_miss=sql(*_PARTED, "CREATE INDEX ON public.parted USING gin (words)"),
            subject="public.parted.words",
        ),
    ),
)
def words_are_indexed(inspection: Inspection) -> Iterator[Finding]:
    inspection.evidence["columns"] = search_column_count(inspection.cursor)
    for column in unsearchable_columns(inspection.cursor):
        how = "" if column.partitioned else " CONCURRENTLY"
        yield Finding(
            Level.WARNING,
            "Full-text column without an index",
            column.subject,
            "Every search reads the whole table.",
            f"CREATE INDEX{how} ON {quoted(column.schema, column.table)} USING gin "
            f"({quoted(column.column)});",
        )


@control(
    "PERF-003.2",
    "Indexes of words are of a kind that finds words",
    specimens=(
        Specimen(
            "a btree of a column",
            plant=sql(_TABLE, "CREATE INDEX unfit ON public.planted (words)"),
            repair=sql("DROP INDEX public.unfit"),
            near_miss=sql(
                _TABLE,
                "CREATE INDEX fit ON public.planted USING gin (words)",
                "CREATE INDEX carrying ON public.planted (id) INCLUDE (words)",
                "CREATE INDEX sorted ON public.planted (id) WHERE words @@ 'a'::tsquery",
            ),
            subject="public.planted.unfit",
        ),
        Specimen(
            "a btree of an expression",
            plant=sql(
                _TABLE,
                "CREATE INDEX unfit ON public.planted (to_tsvector('english'::regconfig, body))",
            ),
            repair=sql("DROP INDEX public.unfit"),
            near_miss=sql(
                _TABLE,
                "CREATE INDEX fit ON public.planted USING gin (to_tsvector('english', body))",
                "CREATE INDEX counted ON public.planted (length(to_tsvector('english', body)))",
            ),
            subject="public.planted.unfit",
        ),
    ),
)
def indexes_find_words(inspection: Inspection) -> Iterator[Finding]:
    inspection.evidence["columns"] = search_column_count(inspection.cursor)
    for index in sorting_search_indexes(inspection.cursor):
        table = quoted(index.schema, index.table)
        words = quoted(index.column) if index.column else "the same expression"
        yield Finding(
            Level.WARNING,
            "Index of words of the wrong kind",
            index.subject,
            f"A {index.method} keeps whole lists of words in order and finds none of them.",
            f"CREATE INDEX CONCURRENTLY ON {table} USING gin ({words}); then DROP INDEX "
            f"CONCURRENTLY {quoted(index.schema, index.name)};",
        )


_PENDING = (
    "CREATE EXTENSION pgstattuple",
    _TABLE,
    (
        "CREATE INDEX putting_off ON public.planted USING gin (words)"
        " WITH (gin_pending_list_limit = 1000000)"
    ),
    (
        "INSERT INTO public.planted (id, words) SELECT n, to_tsvector('simple',"
        " concat_ws(' ', n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8, n + 9))"
        " FROM generate_series(1, 80000) n"
    ),
)


@control(
    "PERF-003.4",
    "No GIN index puts much of its work off",
    specimens=(
        Specimen(
            "a long list of pending entries",
            plant=sql(*_PENDING),
            repair=sql("SELECT gin_clean_pending_list('public.putting_off')"),
            near_miss=sql(
                *_PENDING[:3],
                "INSERT INTO public.planted (id, words) SELECT n, to_tsvector('simple', 'word ' "
                "|| n) FROM generate_series(1, 500) n",
                # What puts nothing off has no list, whatever its limit is.
                "CREATE INDEX at_once ON public.planted USING gin (words) WITH (fastupdate = off,"
                " gin_pending_list_limit = 1000000)",
            ),
            subject="public.planted.putting_off",
        ),
    ),
)
def little_is_put_off(inspection: Inspection) -> Iterator[Finding]:
    """An index whose limit is low enough cannot put much off, and is not read."""
    suspects = long_pending_lists(inspection.cursor, LONGEST_KILOBYTES)
    inspection.evidence["suspects"] = [index.subject for index in suspects]
    readable = [index for index in suspects if not index.locked]
    pages = pending_pages(inspection.cursor, [index.id for index in readable]) if readable else {}
    if pages is None:
        raise CannotSee(
            f"{readable[0].subject} may put {readable[0].limit_kilobytes} kB off, and how much it "
            "does is not seen.",
            "CREATE EXTENSION pgstattuple;",
        )
    long = [index for index in readable if pages[index.id] * PAGE_KILOBYTES > LONGEST_KILOBYTES]
    for index in long:
        yield _long_list(index, pages[index.id] * PAGE_KILOBYTES)
    if not long and len(readable) < len(suspects):
        hidden = next(index for index in suspects if index.locked)
        raise CannotSee(f"Somebody holds {hidden.schema}.{hidden.table} exclusively.")


def _long_list(index: PendingList, kilobytes: int) -> Finding:
    name = quoted(index.schema, index.name)
    return Finding(
        Level.WARNING,
        "GIN index with a long pending list",
        index.subject,
        f"Every search reads {kilobytes} kB of entries that are not sorted in yet; expected at "
        f"most {LONGEST_KILOBYTES}. It may put {index.limit_kilobytes} kB off.",
        f"SELECT gin_clean_pending_list('{name}'); and ALTER INDEX {name} SET "
        "(gin_pending_list_limit = 4096);",
    )
