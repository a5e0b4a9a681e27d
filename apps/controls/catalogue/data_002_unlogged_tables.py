"""Everything that is written outlives a crash, and reaches the replicas and the archive.

An unlogged table is emptied by the first crash, and is empty on every replica and in every restore
to a moment. That is meant for what can be made again; whoever means it writes the reason down.
"""

from collections.abc import Iterator

from apps.controls.control import Finding, Level, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import open_session, sequence, sql
from apps.database.facts.questions import quoted
from apps.database.facts.upkeep import unlogged


@control(
    "DATA-002.11",
    "No table is emptied by a crash",
    specimens=(
        Specimen(
            "an unlogged table",
            plant=sql("CREATE UNLOGGED TABLE public.planted (id int PRIMARY KEY)"),
            repair=sql("ALTER TABLE public.planted SET LOGGED"),
            near_miss=sequence(
                sql("CREATE TABLE public.planted (id int PRIMARY KEY)"),
                open_session("superuser", "CREATE TEMPORARY TABLE fleeting (id int)"),
            ),
            subject="public.planted",
        ),
        Specimen(
            "a partition",
            plant=sql(
                "CREATE TABLE public.parted (id int PRIMARY KEY) PARTITION BY RANGE (id)",
                "CREATE UNLOGGED TABLE public.part PARTITION OF public.parted DEFAULT",
            ),
            repair=sql("ALTER TABLE public.part SET LOGGED"),
            near_miss=sql(
                "CREATE TABLE public.parted (id int PRIMARY KEY) PARTITION BY RANGE (id)",
                "CREATE TABLE public.part PARTITION OF public.parted DEFAULT",
            ),
            subject="public.part",
        ),
        Specimen(
            "the sequence of a table that stays",
            plant=sql(
                "CREATE TABLE public.planted (id bigint GENERATED ALWAYS AS IDENTITY)",
                "ALTER SEQUENCE public.planted_id_seq SET UNLOGGED",
            ),
            repair=sql("ALTER SEQUENCE public.planted_id_seq SET LOGGED"),
            near_miss=sql("CREATE UNLOGGED SEQUENCE public.numbers"),
            subject="public.planted_id_seq",
        ),
    ),
)
def everything_is_logged(inspection: Inspection) -> Iterator[Finding]:
    found = unlogged(inspection.cursor)
    inspection.evidence["unlogged"] = len(found)
    for relation in found:
        name = quoted(relation.schema, relation.name)
        if relation.sequence:
            detail = "A crash has it begin anew, while the keys that it gave out are still there."
            remedy = f"ALTER SEQUENCE {name} SET LOGGED;"
        else:
            detail = "A crash empties it, and replicas and archives never have its rows."
            remedy = f"ALTER TABLE {name} SET LOGGED; which writes the whole table once."
        yield Finding(Level.ERROR, "Rows that a crash takes", relation.subject, detail, remedy)
