"""Keys are not about to run out.

A column of four bytes holds two thousand million keys, and the insert after the last one is
refused; so is the one that refers to a key which does not fit into its own column. Both are seen
long before.
"""

from collections.abc import Iterator

from apps.controls.control import CannotSee, Finding, Level, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import sequence, sql
from apps.database.facts.key_ranges import SequenceUse, narrow_references, sequence_uses
from apps.database.facts.questions import quoted

USED_SHARE = 0.75
_TABLE = "CREATE TABLE public.planted (id serial PRIMARY KEY)"
_SEEN = "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO scratch_auditor"


@control(
    "DATA-004.11",
    "No sequence of keys is near its end",
    specimens=(
        Specimen(
            "a column of four bytes",
            plant=sql(_TABLE, _SEEN, "SELECT setval('public.planted_id_seq', 1900000000)"),
            repair=sql(
                "ALTER TABLE public.planted ALTER COLUMN id TYPE bigint",
                "ALTER SEQUENCE public.planted_id_seq AS bigint",
            ),
            near_miss=sql(_TABLE, _SEEN, "SELECT setval('public.planted_id_seq', 1500000000)"),
            subject="public.planted.id",
        ),
        Specimen(
            "a wide sequence fills a narrow column",
            plant=sql(
                "CREATE SEQUENCE public.wide",
                "CREATE TABLE public.planted (id int PRIMARY KEY DEFAULT nextval('wide'))",
                "SELECT setval('public.wide', 2000000000)",
                _SEEN,
            ),
            repair=sql("ALTER TABLE public.planted ALTER COLUMN id TYPE bigint"),
            near_miss=sql(
                # It starts anew by itself, and fills nothing that must be unique.
                "CREATE SEQUENCE public.circling AS smallint MAXVALUE 10 CYCLE",
                "SELECT setval('public.circling', 10)",
                "CREATE SEQUENCE public.descending AS int INCREMENT -1",
                "SELECT setval('public.descending', -1500000000)",
                "CREATE SEQUENCE public.untouched AS smallint",
                _SEEN,
            ),
            subject="public.planted.id",
        ),
        Specimen(
            "downwards to its end",
            plant=sql(
                "CREATE SEQUENCE public.descending AS smallint INCREMENT -1",
                "SELECT setval('public.descending', -30000)",
                _SEEN,
            ),
            repair=sql("ALTER SEQUENCE public.descending AS int NO MINVALUE"),
            near_miss=sequence(
                sql(
                    "CREATE TABLE public.planted (id smallint GENERATED ALWAYS AS IDENTITY)", _SEEN
                ),
                sql("SELECT setval('public.planted_id_seq', 20000)"),
            ),
            subject="public.descending",
        ),
    ),
)
def sequences_go_on(inspection: Inspection) -> Iterator[Finding]:
    found = sequence_uses(inspection.cursor)
    unseen = [use for use in found if not use.visible]
    fullest = max(found, key=lambda use: use.share, default=None)
    inspection.evidence.update(
        sequences=len(found),
        unseen=len(unseen),
        fullest=None if fullest is None else [fullest.subject, round(fullest.share, 4)],
        threshold=USED_SHARE,
    )
    ending = [use for use in found if use.share > USED_SHARE]
    for use in ending:
        yield _ending(use)
    if unseen and not ending:
        first = quoted(unseen[0].schema, unseen[0].name)
        raise CannotSee(
            f"How far {len(unseen)} of {len(found)} sequences have come is hidden from this role.",
            f"GRANT SELECT ON SEQUENCE {first} TO the role that judges; or GRANT SELECT ON ALL "
            f"SEQUENCES IN SCHEMA {quoted(unseen[0].schema)}.",
        )


def _ending(use: SequenceUse) -> Finding:
    name = quoted(use.schema, use.name)
    wider = f"ALTER SEQUENCE {name} AS bigint NO MAXVALUE;"
    if use.column is not None and use.table_schema is not None and use.table is not None:
        table = quoted(use.table_schema, use.table)
        wider = (
            f"ALTER TABLE {table} ALTER COLUMN {quoted(use.column)} TYPE bigint; which rewrites "
            f"the table, or fill a new column beside it and swap; then {wider}"
        )
    return Finding(
        Level.ERROR,
        "A sequence of keys is near its end",
        use.subject,
        f"{name} gave out {use.last}, which is {use.share:.0%} of what leads to {use.end}"
        + (f" ({use.type})." if use.type else "."),
        wider,
    )


_NARROW = (
    "CREATE TABLE public.referred (id bigint PRIMARY KEY, small smallint UNIQUE)",
    (
        "CREATE TABLE public.planted (id bigint PRIMARY KEY, referred_id int"
        " REFERENCES public.referred)"
    ),
)


@control(
    "DATA-004.12",
    "Every reference holds every key that it may refer to",
    specimens=(
        Specimen(
            "four bytes refer to eight",
            plant=sql(*_NARROW),
            repair=sql("ALTER TABLE public.planted ALTER COLUMN referred_id TYPE bigint"),
            near_miss=sql(
                _NARROW[0],
                "CREATE TABLE public.planted (id int PRIMARY KEY, wide int"
                " REFERENCES public.referred (small), same bigint REFERENCES public.referred)",
            ),
            subject="public.planted.referred_id",
        ),
    ),
)
def references_are_wide_enough(inspection: Inspection) -> Iterator[Finding]:
    found = narrow_references(inspection.cursor)
    inspection.evidence["narrow"] = len(found)
    for reference in found:
        yield Finding(
            Level.WARNING,
            "A reference is narrower than its key",
            reference.subject,
            f"It is {reference.type}, and {reference.to_schema}.{reference.to_table}."
            f"{reference.to_column} is {reference.to_type}: later keys cannot be referred to.",
            f"ALTER TABLE {quoted(reference.schema, reference.table)} ALTER COLUMN "
            f"{quoted(reference.column)} TYPE {reference.to_type};",
        )
