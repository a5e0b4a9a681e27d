"""A restore never touches the database in place until it is proven, and then swaps in one step."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import DatabaseError

from apps.backups.swap import swap
from apps.database.connection import role_entry
from config.env import BASE_DIR
from tests.backups.service import DATABASE, ROLES, Service, service


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("backups")) as made:
        yield made


@pytest.fixture(scope="module")
def backup(world: Service) -> str:
    return world.back_up("backup.psql.bin.zst")


def total(world: Service) -> tuple[int, int]:
    with world.connect("owner") as owner:
        row = owner.execute("SELECT count(*), sum(amount) FROM ledger").fetchone()
    assert row is not None
    return row[0], int(row[1])


def test_without_commit_nothing_changes(world: Service, backup: str) -> None:
    before = world.databases()
    said = world.done("restore_backup", backup, "--into", DATABASE, "--swap")
    assert "rename both databases in one transaction" in said
    assert "Nothing was changed. To carry it out, add --commit." in said
    assert world.databases() == before


def test_without_an_administrator_it_says_what_is_missing(world: Service, backup: str) -> None:
    said = world.refused(
        "restore_backup", backup, "--into", DATABASE, "--commit", DATABASE_ADMIN_URL=""
    )
    assert "DATABASE_ADMIN_URL is not set; expected the address of a role that may create" in said


def test_it_refuses_while_the_database_is_newer(world: Service, backup: str) -> None:
    with world.connect("owner") as owner:
        owner.execute("UPDATE ledger SET amount = amount + 1 WHERE id = 7")
        owner.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('risks', '0999_x', now())"
        )
    try:
        said = world.refused("restore_backup", backup, "--into", DATABASE, "--swap", "--commit")
        assert "the migration risks.0999_x was applied since" in said
        assert "rows were written since in" in said
        assert "public.ledger" in said
        assert "add --lose-later-writes" in said
    finally:
        with world.connect("owner") as owner:
            owner.execute("UPDATE ledger SET amount = amount - 1 WHERE id = 7")
            owner.execute("DELETE FROM django_migrations WHERE name = '0999_x'")


def test_a_swap_brings_everything_back_with_rights_and_settings(
    world: Service, backup: str
) -> None:
    with world.cluster.connect() as admin:
        admin.execute(
            "ALTER ROLE service_app IN DATABASE service SET search_path = public, pg_temp"
        )
        admin.execute("ALTER ROLE service_app IN DATABASE service SET work_mem = '5MB'")
        admin.execute("ALTER DATABASE service SET timezone = 'Asia/Tokyo'")
        admin.execute("ALTER DATABASE service CONNECTION LIMIT 40")
        admin.execute("COMMENT ON DATABASE service IS 'It''s ours'")
        admin.execute("CREATE ROLE reporter LOGIN")
        admin.execute("GRANT CONNECT ON DATABASE service TO reporter WITH GRANT OPTION")
        before = _belongings(admin)
    wanted = total(world)
    with world.connect("owner") as owner:
        owner.execute("DELETE FROM ledger WHERE id > 10")
    session = world.connect("app")
    said = world.done(
        "restore_backup", backup, "--into", DATABASE, "--swap", "--commit", "--lose-later-writes"
    )
    assert f"service holds {backup}" in said
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    assert total(world) == wanted
    with world.cluster.connect() as admin:
        assert _belongings(admin) == before
    _assert_rights(world)
    (old,) = (name for name in world.databases() if name.startswith("service_old_"))
    assert world.done("restore_backup", "--into", DATABASE, "--drop-old").startswith(
        f"Would drop {old}"
    )
    assert old in world.databases()
    assert f"Dropped {old}" in world.done(
        "restore_backup", "--into", DATABASE, "--drop-old", "--commit"
    )
    assert old not in world.databases()


def _belongings(admin: psycopg.Connection) -> list[tuple[object, ...]]:
    """What belongs to the server, not to the dump."""
    rows = admin.execute(
        "SELECT pg_get_userbyid(datdba), datconnlimit, shobj_description(oid, 'pg_database'),"
        " (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a)"
        " FROM pg_database WHERE datname = 'service'"
    ).fetchall()
    return (
        rows
        + admin.execute(
            "SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting s"
            " JOIN pg_database d ON d.oid = s.setdatabase WHERE datname = 'service' ORDER BY 1"
        ).fetchall()
    )


def _assert_rights(world: Service) -> None:
    """App has the rows and no more; the auditor alone inserts evidence."""
    with world.connect("app") as app:
        app.execute("SELECT 1 FROM risks_risk")
        app.execute("INSERT INTO ledger (amount) VALUES (1)")
        app.execute("DELETE FROM ledger WHERE amount = 1 AND id > 500")
        for forbidden in (
            "DELETE FROM controls_verdict",
            "INSERT INTO backups_backuprow DEFAULT VALUES",
            "CREATE TABLE t (id int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(forbidden.encode())
    with world.connect("auditor") as auditor:
        for table, right, expected in (
            ("controls_verdict", "INSERT", True),
            ("controls_verdict", "DELETE", False),
            ("ledger", "SELECT", False),
        ):
            row = auditor.execute("SELECT has_table_privilege(%s, %s)", [table, right]).fetchone()
            assert row == (expected,), (table, right)


def test_a_migration_that_added_a_table_with_a_foreign_key_is_rolled_back(
    world: Service, backup: str
) -> None:
    with world.connect("owner") as owner:
        owner.execute("CREATE TABLE addition (id int PRIMARY KEY, ledger int REFERENCES ledger)")
        owner.execute("INSERT INTO addition VALUES (1, 1)")
        owner.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('risks', '0002_x', now())"
        )
    world.done(
        "restore_backup", backup, "--into", DATABASE, "--swap", "--commit", "--lose-later-writes"
    )
    with world.connect("owner") as owner:
        assert owner.execute("SELECT to_regclass('addition')").fetchone() == (None,)
        applied = owner.execute("SELECT 1 FROM django_migrations WHERE name = '0002_x'").fetchall()
        assert applied == []
    world.done("restore_backup", "--into", DATABASE, "--drop-old", "--commit")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restore_that_dies_half_way_leaves_the_original_serving(
    world: Service, backup: str, how: signal.Signals
) -> None:
    before, wanted = world.databases(), total(world)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "restore_backup", backup, "--into", DATABASE, "--swap",
         "--commit", "--lose-later-writes"],
        cwd=BASE_DIR, env=world.variables(), stdout=subprocess.DEVNULL,
    )  # fmt: skip
    while not (left := set(world.databases()) - set(before)):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(how)
    assert process.wait(timeout=120) != 0
    assert total(world) == wanted
    if how is signal.SIGTERM:
        assert world.databases() == before
    else:
        (torso,) = left
        assert torso.startswith("service_restoring_")
        with world.cluster.connect() as admin:
            admin.execute(f'DROP DATABASE "{torso}" WITH (FORCE)'.encode())


@pytest.mark.django_db(transaction=True)
def test_a_swap_that_cannot_be_done_leaves_the_original_serving(
    world: Service, backup: str
) -> None:
    before, wanted = world.databases(), total(world)
    entry = role_entry("owner") | {
        "HOST": str(world.cluster.socket_folder), "NAME": "postgres", "USER": "postgres",
        "PASSWORD": world.cluster.superuser_password(),
    }  # fmt: skip
    with pytest.raises(DatabaseError, match='database "gone" does not exist'):
        swap(entry, DATABASE, "gone", "old")
    assert world.databases() == before
    assert total(world) == wanted


def test_into_a_new_name_it_makes_a_database(world: Service, backup: str) -> None:
    said = world.done("restore_backup", backup, "--into", "elsewhere", "--commit")
    assert f"elsewhere holds {backup}" in said
    assert "elsewhere" in world.databases()
    beside = world.done("restore_backup", backup, "--into", "elsewhere", "--commit")
    assert "elsewhere_restored_" in beside
    with world.cluster.connect() as admin:
        for name in world.databases():
            if name.startswith("elsewhere"):
                admin.execute(f'DROP DATABASE "{name}"'.encode())


def test_without_the_dumps_grants_the_three_roles_get_theirs(world: Service, backup: str) -> None:
    world.done("restore_backup", backup, "--into", "elsewhere", "--commit", "--no-privileges")
    with world.cluster.connect("elsewhere") as admin:
        for role, table, right, expected in (
            ("service_app", "risks_risk", "UPDATE", True),
            ("service_app", "controls_verdict", "INSERT", False),
            ("service_auditor", "controls_verdict", "INSERT", True),
        ):
            row = admin.execute(
                "SELECT has_table_privilege(%s, %s, %s)", [role, table, right]
            ).fetchone()
            assert row == (expected,), (role, table, right)
    with world.cluster.connect() as admin:
        admin.execute("DROP DATABASE elsewhere")


def test_after_a_lost_database_the_catalogue_is_read_back(world: Service, backup: str) -> None:
    wanted = total(world)
    with world.cluster.connect() as admin:
        admin.execute("DROP DATABASE service WITH (FORCE)")
    world.done("restore_backup", "latest", "--into", DATABASE, "--commit")
    assert total(world) == wanted
    with world.connect("app") as app:
        rows = app.execute("SELECT name FROM backups_backuprow").fetchall()
    assert (backup,) in rows


def test_no_password_is_said(world: Service, backup: str, tmp_path: Path) -> None:
    answer = world.manage("restore_backup", backup, "--into", "elsewhere")
    for role in ROLES.all():
        assert role.password not in answer.stdout + answer.stderr
