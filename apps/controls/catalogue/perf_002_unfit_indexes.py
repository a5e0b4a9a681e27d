"""Indexes are of the kind that answers what is asked, and tables are not mostly empty.

A btree finds a document, a list or a map only as a whole, never what is in it. A table whose rows
were deleted keeps its pages, and every scan reads them. The estimate of that is only as good as the
planner's statistics, so it is made of fresh ones or not at all.
"""

from collections.abc import Iterator

from apps.controls.control import CannotSee, Finding, Level, Scope, Specimen, control
from apps.controls.hot_queries import declared_queries
from apps.controls.inspection import Inspection
from apps.controls.planting import sequence, sql
from apps.database.facts.bloat import Estimate, Estimated, estimates
from apps.database.facts.indexes import index_count, whole_value_indexes
from apps.database.facts.plans import table_scans
from apps.database.facts.questions import quoted

# Eight megabytes: below it an empty page costs less than the work of getting rid of it.
LARGE_PAGES = 1024
EMPTY_SHARE = 0.5
_TABLE = (
    "CREATE TABLE public.planted (id int PRIMARY KEY, a int, document jsonb, tags text[], note text"
    ")"
)


@control(
    "PERF-002.8",
    "No index finds documents and lists only as a whole",
    specimens=(
        Specimen(
            "a btree of documents",
            plant=sql(_TABLE, "CREATE INDEX unfit ON public.planted (document)"),
            repair=sql(
                "DROP INDEX public.unfit",
                "CREATE INDEX fit ON public.planted USING gin (document)",
            ),
            near_miss=sql(
                _TABLE,
                "CREATE INDEX one_value ON public.planted ((document ->> 'name'))",
                "CREATE INDEX part ON public.planted USING gin ((document -> 'tags'))",
                "CREATE UNIQUE INDEX rule ON public.planted (document)",
                "CREATE INDEX hashed ON public.planted USING hash (note)",
            ),
            subject="public.planted.unfit",
        ),
        Specimen(
            "a btree that ends in a list",
            plant=sql(_TABLE, "CREATE INDEX unfit ON public.planted (a, tags)"),
            repair=sql("DROP INDEX public.unfit"),
            near_miss=sql(_TABLE, "CREATE INDEX carrying ON public.planted (a) INCLUDE (tags)"),
            subject="public.planted.unfit",
        ),
    ),
)
def indexes_find_what_is_inside(inspection: Inspection) -> Iterator[Finding]:
    inspection.evidence["indexes"] = index_count(inspection.cursor)
    for index in whole_value_indexes(inspection.cursor):
        table, column = quoted(index.schema, index.table), quoted(index.column)
        yield Finding(
            Level.WARNING,
            "Index of the wrong kind",
            index.subject,
            f"A {index.method} of {index.column} ({index.type}) answers only whether two whole "
            "values are equal or which comes first.",
            f"CREATE INDEX CONCURRENTLY ON {table} USING gin ({column}); then DROP INDEX "
            f"CONCURRENTLY {quoted(index.schema, index.name)};",
        )


_SEEN = "GRANT SELECT ON public.planted TO scratch_auditor"
_FILLED = (
    _TABLE,
    (
        "INSERT INTO public.planted SELECT n, n, NULL, NULL, repeat('x', 100)"
        " FROM generate_series(1, 80000) n"
    ),
)
# In a session of its own: what one has written is counted when it ends.
_ANALYZED = sql("VACUUM ANALYZE public.planted", _SEEN)
_EMPTIED = "DELETE FROM public.planted WHERE id % 5 <> 0"


@control(
    "PERF-002.9",
    "No large table or index is mostly empty",
    specimens=(
        Specimen(
            "four rows of five deleted",
            plant=sequence(sql(*_FILLED, _EMPTIED), _ANALYZED),
            repair=sql("VACUUM (FULL, ANALYZE) public.planted"),
            near_miss=sequence(
                # Pages that are left half empty on purpose, for updates to come.
                sql(_TABLE, "ALTER TABLE public.planted SET (fillfactor = 40)", _FILLED[1]),
                _ANALYZED,
            ),
            subject="public.planted",
        ),
        Specimen(
            "an index that outlived its rows",
            plant=sequence(
                sql(*_FILLED, "CREATE INDEX wide ON public.planted (note, a)", _EMPTIED),
                _ANALYZED,
            ),
            repair=sql("VACUUM (FULL, ANALYZE) public.planted"),
            near_miss=sequence(
                sql(
                    *_FILLED,
                    "CREATE INDEX wide ON public.planted (note, a) WITH (fillfactor = 30)",
                ),
                _ANALYZED,
            ),
            subject="public.planted.wide",
        ),
    ),
)
def tables_are_full(inspection: Inspection) -> Iterator[Finding]:
    found = estimates(inspection.cursor, LARGE_PAGES)
    known = [estimate for table in found for estimate in table.estimates]
    inspection.evidence.update(
        large_tables=len(found),
        unseen=[f"{t.schema}.{t.table}" for t in found if t.unseen],
        stale=[f"{t.schema}.{t.table}" for t in found if t.stale],
    )
    empty = [estimate for estimate in known if estimate.empty_share > EMPTY_SHARE]
    for estimate in empty:
        yield _mostly_empty(estimate)
    if not empty:
        _require_sight(found)


def _mostly_empty(estimate: Estimate) -> Finding:
    tighter = (
        f"REINDEX INDEX CONCURRENTLY {quoted(estimate.schema, estimate.index)};"
        if estimate.index is not None
        else f"VACUUM (FULL, ANALYZE) {quoted(estimate.schema, estimate.table)}; which locks it "
        "for as long as it takes; pg_repack does the same beside the traffic."
    )
    return Finding(
        Level.WARNING,
        "Mostly empty pages",
        estimate.subject,
        f"Its rows need about {estimate.needed} pages; it has {estimate.pages}, and "
        f"{estimate.empty_bytes / 1e6:.0f} MB of them are empty.",
        tighter,
    )


def _require_sight(found: list[Estimated]) -> None:
    """Nothing empty and something not judged is no pass."""
    unseen = [quoted(table.schema, table.table) for table in found if table.unseen]
    if unseen:
        raise CannotSee(
            f"pg_stats hides {len(unseen)} of {len(found)} large tables from this role, "
            f"{unseen[0]} among them.",
            f"GRANT SELECT ON {', '.join(unseen[:5])} TO the role that judges.",
        )
    stale = [quoted(table.schema, table.table) for table in found if table.stale]
    if stale:
        raise CannotSee(
            f"The statistics of {len(stale)} of {len(found)} large tables are too old to go by.",
            f"ANALYZE {', '.join(stale[:5])};",
        )


@control(
    "PERF-002.10",
    "Indexes answer the queries that the applications declare as hot",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "the index of a hot query dropped",
            plant=sql(
                "ALTER TABLE controls_verdict DROP CONSTRAINT controls_verdict_once",
                "DO $$ DECLARE i name; BEGIN FOR i IN SELECT indexname FROM pg_indexes WHERE"
                " tablename = 'controls_verdict' AND indexdef LIKE '%(assessment_id)%' LOOP"
                " EXECUTE format('DROP INDEX %I', i); END LOOP; END $$",
            ),
            repair=sql("CREATE INDEX back ON controls_verdict (assessment_id, title)"),
            near_miss=sql("ALTER TABLE controls_verdict DROP CONSTRAINT controls_verdict_once"),
            subject="controls: the verdicts of an assessment",
            peer=True,
        ),
    ),
)
def hot_queries_use_indexes(inspection: Inspection) -> Iterator[Finding]:
    queries = declared_queries()
    inspection.evidence["queries"] = sorted(queries)
    if not queries:
        raise CannotSee(
            "No application says which of its queries are hot.",
            "Give its AppConfig a method hot_queries(), as apps/controls/apps.py has it.",
        )
    with inspection.app_connection() as connection:
        for name, queryset in queries.items():
            for scan in table_scans(connection, queryset):
                if not scan.answered:
                    yield Finding(
                        Level.ERROR,
                        "A hot query reads a whole table",
                        name,
                        f"No index leads to the rows of {scan.table}, even where reading the whole "
                        "table is to be avoided.",
                        f"Index what it looks up in {scan.table}: models.Index(fields=[…]) in its "
                        "model's Meta.indexes, and makemigrations.",
                    )
