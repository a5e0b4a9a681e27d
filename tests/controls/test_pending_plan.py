"""What a rehearsal shows goes before what the text says; and what neither shows is unknown."""

from collections.abc import Iterator

import pytest

from apps.controls.control import State, Verdict
from apps.controls.discovery import all_controls, select
from apps.controls.planted_migrations import REHEARSED, SUBJECT, migration
from apps.controls.planting import command, sql
from apps.controls.scratch import Scratch, scratch

CODE = migration("migrations.RunPython(nothing, nothing)")
NULLABLE = migration('migrations.AddField("verdict", "note", models.TextField(null=True))')
EMPTY_COLUMN = migration('migrations.RemoveField("verdict", "evidence")')
CIRCLE = migration("", 'run_before = [("controls", "0001_initial")]')
BY_TEXT = {SUBJECT: "its text, which was not rehearsed lately"}
LOSS, OLD_CODE, WAY_BACK, REHEARSAL = "DATA-001.2", "DATA-003.1", "TECH-004.2", "OPS-001.1"


@pytest.fixture(scope="module")
def scratch_world(django_db_blocker: pytest.FixtureRequest) -> Iterator[Scratch]:
    with django_db_blocker.unblock(), scratch() as made:
        yield made


@pytest.fixture
def world(scratch_world: Scratch) -> Scratch:
    scratch_world.fresh()
    return scratch_world


def verdicts(world: Scratch, *ids: str) -> dict[str, Verdict]:
    found = world.judge_by_peer(*select(all_controls(), ids))
    assert {verdict.control for verdict in found} == set(ids)
    return {verdict.control: verdict for verdict in found}


def states(world: Scratch, *ids: str) -> list[State]:
    found = verdicts(world, *ids)
    return [found[one].state for one in ids]


def test_code_is_unknown_until_it_was_rehearsed_as_it_is_on_rows_of_now(world: Scratch) -> None:
    CODE(world)
    for verdict in verdicts(world, LOSS, OLD_CODE).values():
        assert verdict.state is State.UNKNOWN
        assert f"No text tells what {SUBJECT}: Raw Python operation does" in str(verdict.reason)
        assert str(verdict.reason).endswith("manage.py rehearse_migrations")
        assert verdict.evidence["judged_by"] == BY_TEXT
    # Tables without rows prove nothing.
    command("rehearse_migrations", "--empty")(world)
    assert states(world, LOSS, WAY_BACK, REHEARSAL) == [State.UNKNOWN, State.UNKNOWN, State.FAIL]
    REHEARSED(world)
    after = verdicts(world, LOSS, OLD_CODE, WAY_BACK, REHEARSAL)
    assert {verdict.state for verdict in after.values()} == {State.PASS}
    for one in (LOSS, OLD_CODE):
        judged_by = after[one].evidence["judged_by"][SUBJECT]
        assert judged_by.startswith("rehearsed on a copy of the database of ")
    # A file that was edited since was not rehearsed.
    migration("migrations.RunPython(nothing, nothing),")(world)
    edited = verdicts(world, LOSS, OLD_CODE, WAY_BACK, REHEARSAL)
    assert [edited[one].state for one in (LOSS, OLD_CODE, WAY_BACK)] == [State.UNKNOWN] * 3
    assert "never rehearsed as it is now" in str(edited[WAY_BACK].reason)
    assert "never rehearsed as it is now" in edited[REHEARSAL].findings[0].detail


def test_a_rehearsal_of_old_rows_proves_nothing_of_rows(world: Scratch) -> None:
    EMPTY_COLUMN(world)
    REHEARSED(world)
    assert states(world, LOSS) == [State.PASS]
    sql("UPDATE schema_rehearsal SET copied_at = now() - interval '25 hours'")(world)
    (old,) = verdicts(world, LOSS).values()
    assert old.state is State.FAIL
    assert "Remove field evidence from verdict" in old.findings[0].detail


def test_hidden_rehearsals_are_unknown_because_the_text_may_be_milder(world: Scratch) -> None:
    NULLABLE(world)
    controls = (LOSS, OLD_CODE, WAY_BACK, REHEARSAL)
    assert states(world, LOSS, OLD_CODE) == [State.PASS, State.PASS]
    sql("REVOKE SELECT ON schema_rehearsal FROM scratch_auditor")(world)
    for verdict in verdicts(world, *controls).values():
        assert verdict.state is State.UNKNOWN
        grant = 'GRANT SELECT ON public.schema_rehearsal TO "scratch_auditor";'
        assert grant in str(verdict.reason)
    # Where nothing was ever recorded, nothing is hidden.
    sql("DROP TABLE schema_rehearsal")(world)
    bare = verdicts(world, *controls)
    assert [bare[one].state for one in (LOSS, OLD_CODE)] == [State.PASS, State.PASS]
    assert bare[LOSS].evidence["judged_by"] == BY_TEXT
    assert bare[REHEARSAL].state is State.FAIL
    assert str(bare[WAY_BACK].reason).endswith("manage.py migrate")


def test_files_that_make_no_plan_are_unknown_with_what_to_do(world: Scratch) -> None:
    CIRCLE(world)
    controls = ("DATA-001.1", LOSS, OLD_CODE, REHEARSAL, "TECH-004.1", WAY_BACK)
    for verdict in verdicts(world, *controls).values():
        assert verdict.state is State.UNKNOWN
        assert "depend on each other in a circle" in str(verdict.reason)


def test_what_the_text_of_sql_and_code_tells_of_rows(world: Scratch) -> None:
    tried = {
        "migrations.RunSQL(\"UPDATE auth_permission SET name = ''\", '')": State.UNKNOWN,
        "migrations.RunSQL('DO $$ BEGIN PERFORM 1; END $$', '')": State.UNKNOWN,
        "migrations.RunSQL(\"SELECT 'UPDATE; DO it' -- CALL\", '')": State.PASS,
        "migrations.RunSQL('TRUNCATE auth_permission CASCADE', '')": State.FAIL,
        "migrations.RunPython(migrations.RunPython.noop, nothing)": State.PASS,
    }
    found = {}
    for operations in tried:
        migration(operations)(world)
        (found[operations],) = states(world, LOSS)
    assert found == tried
