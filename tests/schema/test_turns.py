"""Several `migrate` at once, one of them killed in the middle: what each of them says."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.schema.test_guard import ADDS, SLEEPS, ended, wait_until_asleep
from tests.schema.workshop import Workshop
from tests.schema.world import World

WAITS = re.compile(
    r"Another process \(server process \d+, g_owner@socket, since [-\d: +]+\) is migrating; "
    r"waiting for up to 60 s\.\n"
)
# The end of each sentence is that of the plan below.
KILLED = re.compile(
    r"The run of [-\d: ]+ UTC was killed\. Of its plan workshop\.0002_quick took effect and "
    r"workshop\.0003_slow, workshop\.0004_last did not; workshop\.0003_slow may have been under "
    r"way\.\n"
)
LOST = re.compile(
    r"CommandError: workshop\.0003_slow: terminating connection due to administrator command\n"
    r"workshop\.0003_slow was rolled back as a whole; the database is as it was before it\. "
    r"Applied in this run and kept: workshop\.0002_quick\. Not begun: workshop\.0004_last\. "
    r"Again: .*manage\.py migrate\n"
)
QUIET = "  No migrations to apply."
# Until somebody makes the table, so that a slow machine has the time to kill it.
SLOW = SLEEPS.format("CASE WHEN to_regclass('public.go') IS NULL THEN 100 ELSE 0 END")


@pytest.fixture
def workshop(gallery: World, tmp_path: Path) -> Iterator[Workshop]:
    """An application whose plan has a quick, a slow and a last migration."""
    with gallery.copy() as database:
        made = Workshop(gallery, tmp_path, database)
        made.prepare()
        assert made.migrate().returncode == 0
        made.write("0002_quick", ADDS)
        made.write("0003_slow", SLOW, after="0002_quick")
        made.write("0004_last", SLEEPS.format(0), after="0003_slow")
        yield made


def wait_until_told(process: "subprocess.Popen[str]") -> str:
    """What a process says when it has to wait."""
    assert process.stderr is not None
    return process.stderr.readline()


def kill_process(workshop: Workshop, first: "subprocess.Popen[str]") -> None:
    first.kill()


def kill_backend(workshop: Workshop, first: "subprocess.Popen[str]") -> None:
    ended = workshop.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE 'SELECT pg_sleep%' AND datname = current_database()"
    )
    assert ended == [(True,)]


def three(
    workshop: Workshop, kill: Callable[[Workshop, "subprocess.Popen[str]"], None]
) -> list[tuple[int, str, str]]:
    """Exit code and words of the killed, of the one that waited and of a third that came after."""
    with workshop.start() as first:
        wait_until_asleep(workshop)
        with workshop.start("--lock-wait", "60") as second:
            waited = wait_until_told(second)
            workshop.sql("CREATE TABLE go ()")
            kill(workshop, first)
            # The turn is free at once, and not when the dead process's statement would have ended.
            one = ended(first)
            code, out, err = ended(second)
    third = workshop.migrate()
    two = (code, out, waited + err)
    return [one, two, (third.returncode, third.stdout, third.stderr)]


def test_a_killed_process_is_told_of_by_the_one_that_waited_and_the_third_has_nothing_to_do(
    workshop: Workshop,
) -> None:
    (code, _, _), (second, out, err), (third, said, complaints) = three(workshop, kill_process)
    assert code == -9
    assert second == 0
    assert re.fullmatch(WAITS.pattern + KILLED.pattern, err), err
    assert "Applying workshop.0003_slow... OK" in out
    assert "Applying workshop.0002_quick" not in out
    assert (third, complaints) == (0, "")
    assert QUIET in said
    assert workshop.applied == ["0001_initial", "0002_quick", "0003_slow", "0004_last"]
    assert [result for result, _ in workshop.outcomes] == ["done", "killed", "done"]


def test_a_killed_session_is_told_of_by_its_own_process_and_the_one_that_waited_goes_on(
    workshop: Workshop,
) -> None:
    (code, _, err), (second, out, heard), (third, said, complaints) = three(workshop, kill_backend)
    assert code == 1
    assert "Traceback" not in err
    # Whoever is first writes the end down: the process itself, or the one whose turn has come.
    (ending,) = {str(result) for result, _ in workshop.outcomes} - {"done"}
    if ending == "failed":
        assert LOST.fullmatch(err), err
        assert WAITS.fullmatch(heard), heard
    else:
        assert "the next migrate has written down already that it was killed" in err
        assert LOST.search(err), err
        assert re.fullmatch(WAITS.pattern + KILLED.pattern, heard), heard
    assert second == 0
    assert "Applying workshop.0004_last... OK" in out
    assert (third, complaints) == (0, "")
    assert QUIET in said
    assert workshop.applied == ["0001_initial", "0002_quick", "0003_slow", "0004_last"]
    assert len(workshop.outcomes) == 3


def test_a_session_lost_outside_a_transaction_says_how_deep_the_migration_came(
    workshop: Workshop,
) -> None:
    made = 'migrations.RunSQL("CREATE TABLE half (id int)", "DROP TABLE half")'
    workshop.write("0003_slow", f"{made}, {SLOW}", after="0002_quick", atomic=False)
    with workshop.start() as first:
        wait_until_asleep(workshop)
        kill_backend(workshop, first)
        code, _, err = ended(first)
    assert code == 1
    assert "not atomic and stopped half-way: 1 of its 2 operations took effect and stay" in err
    assert "was not written down" not in err
    assert [result for result, _ in workshop.outcomes] == ["done", "failed"]
    again = workshop.migrate()
    assert again.returncode == 1
    assert 'workshop.0003_slow: relation "half" already exists' in again.stderr
    assert "Traceback" not in err + again.stderr
