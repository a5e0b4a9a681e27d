"""What a rehearsal is given may be wrong in every way: each is one sentence, and nothing stays."""

import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.schema.test_rehearse_command import guarded_folders
from tests.schema.workshop import Workshop

ADDS = 'migrations.AddField("Item", "price", models.IntegerField(null=True))'
MAKES = 'migrations.RunSQL("CREATE TABLE half (id int)", "DROP TABLE half")'
NOTHING = 'migrations.RunSQL("SELECT 1", "SELECT 1")'
SLEEPS = 'migrations.RunSQL("SELECT pg_sleep({0})", "SELECT pg_sleep({0})")'
# Room for a segment of the server's log, and for the copy of a small database.
FILE_BYTES = 20 << 20
FILLS = (
    "INSERT INTO workshop_item (name, note)"
    " SELECT g, repeat(md5(g::text), 55) FROM generate_series(1, 15000) g"
)


def refused(answer: "subprocess.CompletedProcess[str]") -> str:
    """The one sentence of a rehearsal that could not run."""
    assert answer.returncode == 3, answer.stdout + answer.stderr
    assert answer.stdout == ""
    said = answer.stderr.strip()
    assert said.startswith("CommandError: ")
    assert "\n" not in said
    return said.removeprefix("CommandError: ")


def test_one_that_raises_is_named_and_what_follows_is_not_reached(workshop: Workshop) -> None:
    workshop.write("0002_price", ADDS)
    odd = f"{NOTHING}, migrations.RunPython(fail, nothing)"
    workshop.write("0003_odd", odd, after="0002_price")
    workshop.write("0004_never", NOTHING, after="0003_odd")
    answer = workshop.rehearse("--from-live")
    assert answer.returncode == 1
    assert "✓ workshop.0002_price: safe" in answer.stdout
    assert "✗ workshop.0003_odd: unsafe" in answer.stdout
    assert "fails: the seventh row is odd" in answer.stdout
    assert "where it fails, nothing of it is kept" in answer.stdout
    assert "? workshop.0004_never: not reached" in answer.stdout
    assert workshop.applied == ["0001_initial"]


def test_one_without_a_transaction_that_raises_is_told_with_what_it_leaves(
    workshop: Workshop,
) -> None:
    workshop.write("0002_half", f"{MAKES}, migrations.RunPython(fail, nothing)", atomic=False)
    answer = workshop.rehearse("--from-live")
    assert answer.returncode == 1
    assert "fails: the seventh row is odd" in answer.stdout
    assert "a crash leaves: + public.half: " in answer.stdout
    assert "where it fails, half of it is kept" in answer.stdout
    assert workshop.sql("SELECT to_regclass('half')::text") == [(None,)]


@pytest.mark.parametrize("atomic", [True, False])
def test_one_that_loops_is_stopped_and_named_with_its_line(
    workshop: Workshop,
    atomic: bool,
) -> None:
    workshop.write("0002_loop", "migrations.RunPython(loop, nothing)", atomic=atomic)
    lines = workshop.path("0002_loop").read_text().splitlines()
    started = time.monotonic()
    answer = workshop.rehearse("--from-live", "--time-limit", "1")
    assert time.monotonic() - started < 40
    assert answer.returncode == 1, answer.stderr
    at = lines.index("            time.sleep(0.01)") + 1
    assert "✗ workshop.0002_loop: unsafe" in answer.stdout
    assert "fails: it did not end within 1 s, and was stopped at line" in answer.stdout
    assert f"at line {at} of 0002_loop.py: time.sleep(0.01)" in answer.stdout


def test_a_statement_that_does_not_end_is_stopped_too(workshop: Workshop) -> None:
    workshop.write("0002_sleep", SLEEPS.format(600))
    answer = workshop.rehearse("--from-live", "--time-limit", "0.5")
    assert answer.returncode == 1, answer.stderr
    assert "fails: it did not end within 0.5 s, and was stopped" in answer.stdout


def test_one_that_waits_for_a_lock_of_its_own_is_named(workshop: Workshop) -> None:
    workshop.write("0002_block", f"{ADDS}, migrations.RunPython(block, nothing)")
    answer = workshop.rehearse("--from-live")
    assert answer.returncode == 1, answer.stderr
    assert "✗ workshop.0002_block: unsafe" in answer.stdout
    assert (
        "fails: canceling statement due to lock timeout: for 5 s another session of its own held"
        in answer.stdout
    )


def test_a_lock_on_the_real_table_is_not_waited_for_long(workshop: Workshop) -> None:
    workshop.write("0002_price", ADDS)
    with workshop.world.connect(workshop.database) as holder, holder.transaction():
        holder.execute("LOCK TABLE workshop_item IN ACCESS EXCLUSIVE MODE")
        said = refused(workshop.rehearse("--from-live"))
        assert workshop.rehearse("--empty", "--no-record").returncode == 0
    assert said == (
        "The copy could not be made: for 10 s another session held a table of the real database "
        "exclusively. Try again, or take a backup: --from-backup NAME"
    )


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_a_limit_that_is_none_is_refused(workshop: Workshop, text: str) -> None:
    answer = workshop.rehearse(f"--time-limit={text}")
    assert answer.returncode != 0
    assert f"argument --time-limit: {text!r} is no number of seconds above 0" in answer.stderr


def test_an_extension_that_the_real_server_lacks_is_named(workshop: Workshop) -> None:
    workshop.write("0002_extension", 'CreateExtension("no_such_thing")')
    said = refused(workshop.rehearse("--from-live"))
    assert said.startswith(
        "workshop.0002_extension needs the extension no_such_thing, and this server does not have "
        "its files; install them"
    )


def test_files_that_do_not_fit_are_one_sentence(workshop: Workshop) -> None:
    workshop.write("0002_price", ADDS)
    workshop.write("0003_after", NOTHING, after="0002_price")
    workshop.write("0003_beside", NOTHING, after="0002_price")
    said = refused(workshop.rehearse("--from-live"))
    assert said.startswith("workshop has several last migrations (0003_after, 0003_beside)")
    assert said.endswith("manage.py makemigrations --merge")
    workshop.path("0003_beside").unlink()
    workshop.path("0002_price").unlink()
    said = refused(workshop.rehearse("--from-live"))
    assert "workshop.0003_after dependencies reference nonexistent parent node" in said
    assert said.endswith("Its file is missing: bring it back from version control.")
    workshop.path("0002_price").write_text("class Migration(\n")
    said = refused(workshop.rehearse("--from-live"))
    assert said.startswith("The migrations cannot be read: SyntaxError: ")


def test_a_database_newer_than_the_code_is_one_sentence(workshop: Workshop) -> None:
    workshop.write("0002_price", ADDS)
    workshop.write("0003_after", NOTHING, after="0002_price")
    assert workshop.migrate().returncode == 0
    workshop.path("0003_after").unlink()
    workshop.write("0003_another", NOTHING, after="0002_price")
    for source in ("--from-live", "--empty"):
        said = refused(workshop.rehearse(source))
        assert said.startswith("the database is newer than this code, or a file was deleted: it")
        assert "records workshop.0003_after" in said


def test_an_order_that_cannot_have_been_is_one_sentence(workshop: Workshop) -> None:
    workshop.write("0002_price", ADDS)
    workshop.write("0003_after", NOTHING, after="0002_price")
    assert workshop.migrate().returncode == 0
    workshop.sql("DELETE FROM django_migrations WHERE name = '0002_price'")
    said = refused(workshop.rehearse("--from-live"))
    assert "workshop.0003_after is applied before its dependency workshop.0002_price" in said
    assert said.endswith("manage.py showmigrations --plan")


def limited(workshop: Workshop, size: int, **variables: str) -> "subprocess.CompletedProcess[str]":
    """A rehearsal on a disk that takes no file larger than this."""
    with workshop.start_rehearsal("--from-live", **variables) as process:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, size))
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_a_scratch_server_that_cannot_be_made_is_replaced_or_named(
    workshop: Workshop,
) -> None:
    workshop.write("0002_price", ADDS)
    alone = limited(workshop, 1 << 20, DATABASE_ADMIN_URL="")
    said = refused(alone)
    assert said.startswith(
        "There is no server to rehearse on: the embedded server cannot be used: initdb"
    )
    assert said.endswith("as a role that may create databases.")
    helped = limited(workshop, 1 << 20)
    assert helped.returncode == 0, helped.stderr
    assert "server: DATABASE_ADMIN_URL" in helped.stdout


def test_a_full_disk_is_told_while_the_copy_is_made(workshop: Workshop) -> None:
    workshop.write("0002_price", ADDS)
    workshop.sql(FILLS)
    said = refused(limited(workshop, FILE_BYTES, DATABASE_ADMIN_URL=""))
    assert said.startswith("The copy could not be made: pg_restore: error: ")
    assert "could not extend file" in said


def test_a_full_disk_is_no_fault_of_the_migration(workshop: Workshop) -> None:
    workshop.write("0002_fill", f'migrations.RunSQL("{FILLS}", "DELETE FROM workshop_item")')
    said = refused(limited(workshop, FILE_BYTES, DATABASE_ADMIN_URL=""))
    assert said.startswith("The scratch server failed, not the migration: could not extend file")
    assert said.endswith("set DATABASE_ADMIN_URL to a server that has it.")


def _mentioning(folder: Path) -> list[str]:
    """The processes that have the folder in their command line, but for their guardian."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_ctrl_c_leaves_nothing_at_any_stage(workshop: Workshop) -> None:
    workshop.write("0002_slow", f"{SLEEPS.format(0.2)}, {ADDS}")
    workshop.write("0003_steps", SLEEPS.format(0.2), after="0002_slow", atomic=False)
    reached, delay = 0, 0.0
    while True:
        with workshop.start_rehearsal("--from-live", DATABASE_ADMIN_URL="") as process:
            folders: list[Path] = []
            while not folders and process.poll() is None:
                folders = guarded_folders(process.pid)
                time.sleep(0.01)
            time.sleep(delay)
            os.kill(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=60)
        if process.returncode == 0 or "2 safe, 0 caution, 0 unsafe" in out:
            # It had told everything, and at most its interpreter was interrupted while it ended.
            break
        reached += 1
        delay += 0.35
        assert process.returncode == 3, err
        assert err.strip() == (
            "CommandError: Interrupted; the scratch copy is gone, the real database was only read."
        )
        assert out == ""
        assert [folder for folder in folders if folder.exists()] == []
        assert [line for folder in folders for line in _mentioning(folder)] == []
    # From the server's start to the last drop.
    assert reached >= 6
    assert "2 safe, 0 caution, 0 unsafe" in out
