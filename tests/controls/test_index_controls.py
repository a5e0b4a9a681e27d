"""The controls of indexes, keys and upkeep say *unknown* where they cannot see, and never wait."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg.sql import SQL, Identifier, Literal

from apps.controls.control import Control, State, Verdict
from apps.controls.discovery import all_controls, select
from apps.controls.inspection import Target
from apps.controls.judge import judge
from apps.controls.planting import configure, sql
from apps.controls.scratch import SCRATCH, Scratch, scratch
from apps.database.connection import open_wrapper
from config.database import database_entry
from config.env import Environment

# The world is a scratch server; the mark only lets this process connect at all.
pytestmark = pytest.mark.django_db

CATALOGUE = [
    "PERF-002.1", "PERF-002.2", "PERF-002.3", "PERF-002.4", "PERF-002.5",
    "PERF-002.6", "PERF-002.7", "PERF-002.8", "PERF-002.9", "PERF-003.1",
    "PERF-003.2", "PERF-003.3", "PERF-003.4", "PERF-003.5", "DATA-002.11",
    "DATA-003.11", "DATA-003.12", "DATA-004.11", "DATA-004.12", "OPS-002.11",
    "OPS-002.12", "OPS-002.13",
]  # fmt: skip
LARGE = (
    "CREATE TABLE public.large (id int PRIMARY KEY, a int, body text)",
    "INSERT INTO public.large SELECT n, n, repeat('x', 150) FROM generate_series(1, 60000) n",
    "CREATE INDEX idle ON public.large (a)",
)


@pytest.fixture(scope="module")
def made_world(
    django_db_setup: None, django_db_blocker: pytest.FixtureRequest
) -> Iterator[Scratch]:
    with django_db_blocker.unblock(), scratch() as made:
        yield made


@pytest.fixture
def world(made_world: Scratch) -> Scratch:
    made_world.fresh()
    return made_world


def verdicts(world: Scratch, *controls: str, address: str = "") -> dict[str, Verdict]:
    """Verdicts by control, of the auditor or of whose address it is."""
    given = {"DATABASE_AUDITOR_URL": address} if address else {}
    env = Environment({**world.variables(), **given})
    entries = {role: entry for role in ("app", "auditor") if (entry := database_entry(env, role))}
    chosen: list[Control] = select(all_controls(), controls)
    with closing(open_wrapper(entries["auditor"])) as connection:
        found = judge(chosen, Target(SCRATCH, entries), connection, active=False)
        return {verdict.control: verdict for verdict in found}


def reason(world: Scratch, control: str) -> str:
    """Why the control's verdict is unknown."""
    verdict = verdicts(world, control)[control]
    assert verdict.state is State.UNKNOWN, verdict
    return verdict.reason or ""


def test_the_projects_own_schema_passes(world: Scratch) -> None:
    configure(autovacuum="on")(world)
    own = verdicts(world, *CATALOGUE, "PERF-002.10", "PERF-003.6", "PERF-003.7")
    assert {c: v.reason for c, v in own.items() if v.state is not State.PASS} == {}
    assert own["PERF-002.10"].evidence["queries"] == [
        "controls: the newest assessment",
        "controls: the verdicts of an assessment",
        "risks: search",
        "risks: the risks of a revision",
    ]
    assert own["PERF-003.7"].evidence["searches"] == ["risks: search"]
    assert own["PERF-003.1"].evidence["columns"] == len(own["PERF-003.6"].evidence["fields"]) == 1
    assert own["DATA-004.11"].evidence["unseen"] == 0 < own["DATA-004.11"].evidence["sequences"]


def test_an_idle_index_is_not_called_unused_after_a_moment(world: Scratch) -> None:
    sql(*LARGE)(world)
    said = reason(world, "PERF-002.7")
    assert "public.large.idle and 0 more were not used in 0.0 days; expected 30 days" in said


def test_an_idle_index_is_not_called_unused_where_a_replica_may_read(world: Scratch) -> None:
    sql(*LARGE)(world)
    with world.cluster.connect() as admin:
        admin.execute("SELECT pg_create_physical_replication_slot('standby', true)")
        try:
            said = reason(world, "PERF-002.7")
        finally:
            admin.execute("SELECT pg_drop_replication_slot('standby')")
    assert "others may use them (slot standby)" in said


def test_what_nobody_counts_is_unknown(world: Scratch) -> None:
    configure(track_counts="off")(world)
    for control in ("PERF-002.4", "PERF-002.7"):
        assert "track_counts is off" in reason(world, control)


def test_the_estimate_needs_statistics_that_are_seen_and_fresh(world: Scratch) -> None:
    sql(*LARGE)(world)
    sql("VACUUM ANALYZE public.large")(world)
    said = reason(world, "PERF-002.9")
    assert 'GRANT SELECT ON "public"."large" TO the role that judges.' in said
    sql("GRANT SELECT ON public.large TO scratch_auditor")(world)
    assert verdicts(world, "PERF-002.9")["PERF-002.9"].state is State.PASS
    sql("DELETE FROM public.large WHERE id % 2 = 0", "VACUUM public.large")(world)
    assert 'ANALYZE "public"."large";' in reason(world, "PERF-002.9")


def test_a_sequence_that_hides_its_value_is_unknown(world: Scratch) -> None:
    sql("CREATE TABLE public.planted (id serial PRIMARY KEY)")(world)
    said = reason(world, "DATA-004.11")
    assert "How far 1 of " in said
    assert 'GRANT SELECT ON SEQUENCE "public"."planted_id_seq"' in said


def test_a_long_list_may_be_hidden_without_the_extension_that_reads_it(world: Scratch) -> None:
    sql(
        "CREATE TABLE public.planted (id int PRIMARY KEY, words tsvector)",
        "CREATE INDEX late ON public.planted USING gin (words)"
        " WITH (gin_pending_list_limit = 1000000)",
    )(world)
    assert "CREATE EXTENSION pgstattuple;" in reason(world, "PERF-003.4")


def test_searches_that_nobody_keeps_are_unknown(world: Scratch) -> None:
    sql(*LARGE, "ANALYZE public.large")(world)
    assert "shared_preload_libraries" in reason(world, "PERF-003.5")


def test_whether_an_invalid_index_is_being_made_is_hidden_from_nobody(world: Scratch) -> None:
    """The one that is being made is no finding for who sees, and none for who does not."""
    sql("CREATE TABLE public.planted (id int PRIMARY KEY, b int)")(world)
    world.open_session(
        "superuser", ["BEGIN", "LOCK public.planted IN ROW EXCLUSIVE MODE"], "holder", ""
    )
    world.send("superuser", "CREATE INDEX CONCURRENTLY growing ON public.planted (b)", "maker")
    with world.connect("superuser") as admin:
        deadline = time.monotonic() + 5
        while not admin.execute("SELECT 1 FROM pg_index WHERE NOT indisvalid").fetchone():
            assert time.monotonic() < deadline, "the index was not begun"
            time.sleep(0.02)
    assert verdicts(world, "PERF-002.3")["PERF-002.3"].state is State.PASS
    unseen = verdicts(world, "PERF-002.3", address=nobody(world))["PERF-002.3"]
    assert unseen.state is State.UNKNOWN
    assert "GRANT pg_monitor" in (unseen.reason or "")


def test_an_index_is_named_that_stays_when_the_needless_ones_go(world: Scratch) -> None:
    """Of three that begin alike two are needless; the one that Django would make anew is not."""
    sql(
        "CREATE TABLE public.referred (id int PRIMARY KEY)",
        "CREATE TABLE public.planted (id int PRIMARY KEY, a int REFERENCES public.referred, b int,"
        " c int, CONSTRAINT rule UNIQUE (a, b, c))",
        "CREATE INDEX planted_a_0123abcd ON public.planted (a)",
        "CREATE INDEX short ON public.planted (a)",
        "CREATE INDEX middle ON public.planted (a, b)",
    )(world)
    (same, begins) = verdicts(world, "PERF-002.5", "PERF-002.6").values()
    assert [(f.subject, f.remedy) for f in same.findings] == [
        ("public.planted.short", 'DROP INDEX CONCURRENTLY "public"."short";')
    ]
    assert [f.subject for f in begins.findings] == ["public.planted.middle"]
    assert "Every look-up of it serves rule;" in begins.findings[0].detail
    assert "public.planted.planted_a_0123abcd" in begins.evidence["made_by_django"]


def nobody(world: Scratch) -> str:
    """The address of a role that may connect and no more."""
    phrase = "connect only"
    with world.connect("superuser") as admin:
        if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = 'scratch_nobody'").fetchone():
            admin.execute(
                SQL("CREATE ROLE scratch_nobody LOGIN PASSWORD {}").format(Literal(phrase))
            )
        grant = SQL("GRANT CONNECT ON DATABASE {} TO scratch_nobody").format(Identifier(SCRATCH))
        admin.execute(grant)
    return world.cluster.address("scratch_nobody", phrase, SCRATCH)


def test_nothing_waits_behind_a_table_that_is_locked_exclusively(world: Scratch) -> None:
    """Only the catalog is read: the defects of a locked table are found as those of others are."""
    sql(
        "CREATE TABLE public.referred (id bigint PRIMARY KEY)",
        "CREATE UNLOGGED TABLE public.planted (a int, b jsonb, words tsvector,"
        " key int REFERENCES public.referred, body text GENERATED ALWAYS AS (b::text) STORED)",
        "CREATE INDEX first ON public.planted (lower(a::text)) WHERE a > 0",
        "CREATE INDEX second ON public.planted (lower(a::text)) WHERE a > 0",
        "CREATE INDEX short ON public.planted (a)",
        "CREATE INDEX long ON public.planted (a, key)",
        "CREATE INDEX unfit ON public.planted (b)",
        "CREATE INDEX unfit_too ON public.planted (words)",
        "ALTER TABLE public.planted ADD CHECK (a > 0) NOT VALID, DISABLE TRIGGER ALL",
        "ALTER TABLE public.planted SET (autovacuum_enabled = off)",
    )(world)
    configure(autovacuum="on")(world)
    before = {c: v.state for c, v in verdicts(world, *CATALOGUE).items()}
    failing = {control for control, state in before.items() if state is State.FAIL}
    assert failing >= {
        "PERF-002.1", "PERF-002.2", "PERF-002.5", "PERF-002.6", "PERF-002.8", "PERF-003.1",
        "PERF-003.2", "DATA-002.11", "DATA-003.11", "DATA-003.12", "DATA-004.12", "OPS-002.13",
    }  # fmt: skip
    lock = "LOCK public.planted, public.referred IN ACCESS EXCLUSIVE MODE"
    world.open_session("superuser", ["BEGIN", lock], "holder", "")
    started = time.monotonic()
    during = {control: v.state for control, v in verdicts(world, *CATALOGUE).items()}
    assert during == before
    assert time.monotonic() - started < 2


def test_who_sees_less_never_passes_what_fails(world: Scratch) -> None:
    sql(
        *LARGE,
        "CREATE TABLE public.planted (id serial, words tsvector)",
        "SELECT setval('public.planted_id_seq', 2000000000)",
        "DELETE FROM public.large WHERE id % 5 <> 0",
    )(world)
    sql("VACUUM ANALYZE public.large")(world)
    seen = verdicts(world, *CATALOGUE, address=world.cluster.address(database=SCRATCH))
    failing = {control for control, verdict in seen.items() if verdict.state is State.FAIL}
    assert failing >= {"PERF-002.2", "PERF-002.9", "PERF-003.1", "DATA-004.11"}
    for less in ("", nobody(world)):
        states = {c: v.state for c, v in verdicts(world, *CATALOGUE, address=less).items()}
        assert {control for control in failing if states[control] is State.PASS} == set()
        assert states["PERF-002.9"] is states["DATA-004.11"] is State.UNKNOWN
