"""`migrate` under guard: one at a time, nothing destroyed unasked, and told how it ended."""

import secrets
import signal
import subprocess
import time

import psycopg
import pytest

from apps.schema.destructive import narrows
from tests.schema.workshop import Workshop
from tests.schema.world import World

SLEEPS = 'migrations.RunSQL("SELECT pg_sleep({})", migrations.RunSQL.noop)'
ADDS = 'migrations.AddField("Item", "price", models.IntegerField(null=True))'


def wait_until_asleep(workshop: Workshop) -> None:
    """Until the server works on a migration's pg_sleep."""
    deadline = time.monotonic() + 60
    question = (
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
        " AND datname = current_database()"
    )
    while not workshop.sql(question):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_two_at_once_take_turns_and_the_second_finds_nothing_to_do(workshop: Workshop) -> None:
    workshop.write("0002_slow", SLEEPS.format(4))
    with workshop.start() as first:
        wait_until_asleep(workshop)
        with workshop.start() as second:
            assert ended(second)[0] == 0 or pytest.fail("the second failed")
            code, out, _ = ended(first)
    assert code == 0
    assert "Applying workshop.0002_slow... OK" in out
    assert workshop.applied == ["0001_initial", "0002_slow"]
    assert [result for result, _ in workshop.outcomes] == ["done", "done"]


def test_the_second_says_whom_it_waits_for_and_gives_up_in_time(workshop: Workshop) -> None:
    workshop.write("0002_slow", SLEEPS.format(30))
    with workshop.start() as first:
        wait_until_asleep(workshop)
        second = workshop.migrate("--lock-wait", "0.5")
        first.send_signal(signal.SIGINT)
        code, _, err = ended(first)
    assert second.returncode == 1
    assert "is migrating; waiting for up to 0.5 s." in second.stderr
    assert "Nothing was migrated: Another process (server process" in second.stderr
    assert "--lock-wait SECONDS" in second.stderr
    # Ctrl-C in the middle of the first.
    assert code == 130
    assert "workshop.0002_slow: interrupted" in err
    assert "workshop.0002_slow was rolled back as a whole" in err
    assert "Traceback" not in err
    assert workshop.applied == ["0001_initial"]
    assert workshop.outcomes[-1] == ("interrupted", ["workshop.0002_slow"])


def test_a_killed_run_frees_the_turn_and_the_next_one_tells_of_it(workshop: Workshop) -> None:
    workshop.write("0002_quick", ADDS)
    workshop.write("0003_slow", SLEEPS.format(5), after="0002_quick")
    with workshop.start() as first:
        wait_until_asleep(workshop)
        first.kill()
    again = workshop.migrate("--lock-wait", "20")
    assert again.returncode == 0, again.stderr
    assert "UTC was killed. Of its plan workshop.0002_quick took effect and" in again.stderr
    assert "workshop.0003_slow did not; workshop.0003_slow may have been under way" in again.stderr
    assert workshop.applied == ["0001_initial", "0002_quick", "0003_slow"]
    assert [result for result, _ in workshop.outcomes] == ["done", "killed", "done"]
    third = workshop.migrate()
    assert "killed" not in third.stderr


def test_a_lock_is_waited_for_in_short_attempts(workshop: Workshop) -> None:
    workshop.write("0002_price", ADDS)
    with workshop.world.connect(workshop.database) as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE workshop_item IN ACCESS SHARE MODE")
        refused = workshop.migrate("--lock-timeout", "0.2", "--lock-retries", "0")
        with workshop.start("--lock-timeout", "0.2", "--lock-retries", "50") as patient:
            assert patient.stderr is not None
            line = patient.stderr.readline()
            holder.execute("ROLLBACK")
            code, _, _ = ended(patient)
    assert refused.returncode == 1
    assert "lock timeout" in refused.stderr
    assert "workshop.0002_price was rolled back as a whole" in refused.stderr
    assert "did not get a lock within 0.2 s and was rolled back; attempt 2 of 51." in line
    assert code == 0
    assert workshop.applied == ["0001_initial", "0002_price"]


def test_a_failure_says_what_stands_and_what_to_type(workshop: Workshop) -> None:
    workshop.write("0002_price", ADDS)
    workshop.write(
        "0003_odd", f"{SLEEPS.format(0)}, migrations.RunPython(fail, nothing)", after="0002_price"
    )
    workshop.write("0004_never", SLEEPS.format(0), after="0003_odd")
    answer = workshop.migrate()
    assert answer.returncode == 1
    assert "workshop.0003_odd: ValueError: the seventh row is odd" in answer.stderr
    assert (
        "workshop.0003_odd was rolled back as a whole; the database is as it was" in answer.stderr
    )
    assert "Applied in this run and kept: workshop.0002_price." in answer.stderr
    assert "Not begun: workshop.0004_never." in answer.stderr
    assert "Traceback" not in answer.stderr
    assert workshop.applied == ["0001_initial", "0002_price"]
    assert workshop.outcomes[-1][0] == "failed"


def test_a_migration_without_a_transaction_says_how_deep_it_came(workshop: Workshop) -> None:
    makes = 'migrations.RunSQL("CREATE TABLE half (id int)", "DROP TABLE half")'
    workshop.write("0002_half", f"{makes}, migrations.RunPython(fail, nothing)", atomic=False)
    answer = workshop.migrate()
    assert answer.returncode == 1
    assert "not atomic and stopped half-way: 1 of its 2 operations took effect" in answer.stderr
    assert "number 2 (Raw Python operation) failed" in answer.stderr
    assert "manage.py drift" in answer.stderr
    assert "migrate workshop 0002_half --fake" in answer.stderr
    assert workshop.sql("SELECT to_regclass('half')::text") == [("half",)]
    assert workshop.applied == ["0001_initial"]


DESTRUCTIVE = {
    'migrations.RemoveField("Item", "note")': "Remove field note from Item",
    'migrations.DeleteModel("Item")': "Delete model Item",
    'migrations.AlterField("Item", "name", models.CharField(max_length=20))': (
        "varchar(50) becomes varchar(20)"
    ),
    'migrations.RunSQL("ALTER TABLE workshop_item DROP COLUMN note")': "SQL that destroys: ALTER",
    'migrations.RunSQL(["SELECT 1", ("DELETE FROM workshop_item WHERE id = %s", [1])])': (
        "SQL that destroys: DELETE FROM workshop_item"
    ),
    "migrations.RunPython(nothing)": "without reverse_code, and not declared irreversible",
}
HARMLESS = (
    ADDS,
    'migrations.AlterField("Item", "name", models.CharField(max_length=60))',
    'migrations.RunSQL("CREATE INDEX by_name ON workshop_item (name)", "SELECT 1")',
    'migrations.RunSQL("DROP INDEX by_name", "SELECT 1 -- DROP TABLE workshop_item")',
    "migrations.RunPython(nothing, nothing)",
    'migrations.CreateModel("Made", [("id", models.BigAutoField(primary_key=True))])',
    'migrations.DeleteModel("Made")',
)


def test_what_destroys_is_refused_without_the_word(workshop: Workshop) -> None:
    for operations, said in DESTRUCTIVE.items():
        workshop.write("0002_destroys", operations)
        answer = workshop.migrate()
        assert answer.returncode == 1
        assert (
            "Nothing was migrated: data would be destroyed by workshop.0002_dest" in answer.stderr
        )
        assert said in answer.stderr
        assert "migrate --allow-destructive" in answer.stderr
    assert workshop.applied == ["0001_initial"]
    assert workshop.migrate("--allow-destructive").returncode == 0
    assert workshop.applied == ["0001_initial", "0002_destroys"]
    ((destructive,),) = workshop.sql(
        "SELECT destructive FROM schema_migrationrun WHERE plan::text ~ 'workshop.0002'"
    )
    assert "not declared irreversible" in str(destructive)


def test_what_destroys_nothing_needs_no_word_and_can_be_taken_back(workshop: Workshop) -> None:
    workshop.write("0002_harmless", ", ".join(HARMLESS))
    answer = workshop.migrate()
    assert answer.returncode == 0, answer.stderr
    back = workshop.migrate("workshop", "0001")
    assert back.returncode == 0, back.stderr
    assert "Unapplying workshop.0002_harmless... OK" in back.stdout
    assert workshop.applied == ["0001_initial"]
    assert workshop.migrate("workshop", "zero").returncode == 0
    assert workshop.applied == []


def test_a_history_that_does_not_fit_is_one_sentence(workshop: Workshop) -> None:
    workshop.write("0002_price", ADDS)
    workshop.write("0003_after", SLEEPS.format(0), after="0002_price")
    workshop.write("0003_beside", SLEEPS.format(0), after="0002_price")
    conflict = workshop.migrate()
    assert "Conflicting migrations detected" in conflict.stderr
    workshop.path("0003_beside").unlink()
    workshop.path("0002_price").unlink()
    missing = workshop.migrate()
    assert "0003_after dependencies reference nonexistent parent node" in missing.stderr
    assert "bring it back from version control" in missing.stderr
    workshop.write("0002_price", ADDS)
    assert workshop.migrate().returncode == 0
    workshop.path("0003_after").unlink()
    newer = workshop.migrate()
    assert newer.returncode == 0
    assert "the database is newer than this code" in newer.stderr
    workshop.write("0003_another", SLEEPS.format(0), after="0002_price")
    refused = workshop.migrate()
    assert refused.returncode == 1
    assert "Nothing was migrated: the database is newer than this code" in refused.stderr
    assert "records workshop.0003_after" not in refused.stdout
    for answer in (conflict, missing, newer, refused):
        assert "Traceback" not in answer.stderr


def test_an_extension_that_is_not_there_is_named_before_anything_changes(
    workshop: Workshop,
) -> None:
    workshop.write("0002_price", ADDS)
    workshop.write("0003_extension", 'CreateExtension("no_such_thing")', after="0002_price")
    answer = workshop.migrate()
    assert answer.returncode == 1
    assert "workshop.0003_extension needs the extension no_such_thing" in answer.stderr
    assert workshop.applied == ["0001_initial"]
    workshop.write("0003_extension", 'CreateExtension("pg_trgm")', after="0002_price")
    answer = workshop.migrate()
    # pg_trgm is trusted: whoever may create in the database may create it.
    assert answer.returncode == 0, answer.stderr


def test_production_backs_up_first_and_proves_it(workshop: Workshop) -> None:
    production = {
        "ENVIRONMENT": "production",
        "SECRET_KEY": secrets.token_urlsafe(60),
        "ALLOWED_HOSTS": "example.org",
    }
    workshop.write("0002_price", ADDS)
    answer = workshop.migrate(**production)
    assert answer.returncode == 0, answer.stderr
    ((backup,),) = workshop.sql(
        "SELECT backup FROM schema_migrationrun WHERE plan::text ~ 'workshop.0002'"
    )
    stored = {path.name for path in (workshop.folder / "backups").iterdir()}
    assert str(backup) in stored
    assert any(n.startswith(str(backup)) and n.endswith(".verified.metadata") for n in stored)
    workshop.write("0003_more", SLEEPS.format(0), after="0002_price")
    # Somebody's file stands where the folder of the backups should be.
    (workshop.folder / "taken").write_text("")
    failed = workshop.migrate(**production, BACKUP_DIR=str(workshop.folder / "taken"))
    assert failed.returncode == 1
    assert "Nothing was migrated: the backup failed" in failed.stderr
    assert "--no-backup REASON" in failed.stderr
    assert workshop.applied == ["0001_initial", "0002_price"]
    without = workshop.migrate("--no-backup", "a drill", **production)
    assert without.returncode == 0, without.stderr
    assert workshop.sql(
        "SELECT backup, no_backup_reason FROM schema_migrationrun"
        " WHERE plan::text ~ 'workshop.0003'"
    ) == [("", "a drill")]


def test_runs_are_read_by_everybody_and_written_by_the_owner_alone(gallery: World) -> None:
    with gallery.copy() as database:
        for role in ("app", "auditor"):
            with gallery.connect(database, role) as connection:
                assert connection.execute("SELECT count(*) FROM schema_migrationrun").fetchone()
                for statement in (
                    b"DELETE FROM schema_migrationrun",
                    b"UPDATE schema_migrationoutcome SET error = ''",
                    b"INSERT INTO schema_migrationrun (role, plan) VALUES ('x', '[]')",
                ):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(statement)


@pytest.mark.parametrize(
    ("old", "new", "lossy"),
    [
        ("varchar(50)", "varchar(60)", False),
        ("varchar(50)", "varchar(49)", True),
        ("varchar(50)", "text", False),
        ("text", "varchar(50)", True),
        ("integer", "bigint", False),
        ("bigint", "integer", True),
        ("numeric(8, 2)", "numeric(10, 2)", False),
        ("numeric(8, 2)", "numeric(8, 3)", True),
        ("numeric(8, 2)", "numeric(9, 3)", False),
        ("jsonb", "jsonb", False),
        ("timestamp with time zone", "date", True),
        ("integer", "boolean", True),
    ],
)
def test_a_type_narrows_when_a_value_may_not_fit(old: str, new: str, lossy: bool) -> None:
    assert narrows(old, new) is lossy
