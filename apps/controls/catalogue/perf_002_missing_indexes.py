"""Every foreign key can be looked up by an index.

Without one, deleting or updating a referenced row reads the whole referencing table under a lock,
and so does every join along the key. A partial or an invalid index does not help.
"""

from collections.abc import Iterator

from apps.controls.control import Finding, Level, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import sql
from apps.database.facts.indexes import foreign_key_count, unindexed_foreign_keys

_TABLES = (
    "CREATE TABLE public.parent (a int, b int, PRIMARY KEY (a, b), UNIQUE (a))",
    "CREATE TABLE public.child (a int REFERENCES public.parent (a), b int, note text)",
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
            near_miss=sql(*_TABLES, "CREATE INDEX ON public.child (a) INCLUDE (b)"),
            subject="public.child.a",
        ),
        Specimen(
            "two columns, and the index leads with a third",
            plant=sql(
                *_TABLES,
                "ALTER TABLE public.child DROP CONSTRAINT child_a_fkey",
                "ALTER TABLE public.child ADD FOREIGN KEY (a, b) REFERENCES public.parent (a, b)",
                "CREATE INDEX ON public.child (note, a, b)",
            ),
            repair=sql("CREATE INDEX ON public.child (b, a)"),
            near_miss=sql(
                *_TABLES,
                "ALTER TABLE public.child DROP CONSTRAINT child_a_fkey",
                "ALTER TABLE public.child ADD FOREIGN KEY (a, b) REFERENCES public.parent (a, b)",
                "CREATE INDEX ON public.child (b, a, note)",
            ),
            subject="public.child.a_b",
        ),
    ),
)
def foreign_keys_are_indexed(inspection: Inspection) -> Iterator[Finding]:
    inspection.evidence["foreign_keys"] = foreign_key_count(inspection.cursor)
    for key in unindexed_foreign_keys(inspection.cursor):
        columns = ", ".join(f'"{column}"' for column in key.columns)
        yield Finding(
            Level.WARNING,
            "Foreign key without a usable index",
            key.subject,
            f"The constraint {key.constraint} is looked up by reading the whole table.",
            f'CREATE INDEX CONCURRENTLY ON "{key.schema}"."{key.table}" ({columns});',
        )
