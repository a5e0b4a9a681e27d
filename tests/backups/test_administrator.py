"""An administrator that is no superuser proves and restores, or is told which right is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.backups.service import DATABASE, Service, service

KEEPER, SECRET = "keeper", "S3cr3t-of-keeper"  # pragma: allowlist secret
SWAP = ("--into", DATABASE, "--swap", "--commit", "--lose-later-writes")
DROP = ("restore_backup", "--into", DATABASE, "--drop-old", "--commit")


class Kept(Service):
    """The service, whose administrator is the keeper."""

    def variables(self, **more: str) -> dict[str, str]:
        keeper = self.cluster.address(KEEPER, SECRET, "postgres")
        return super().variables(**{"DATABASE_ADMIN_URL": keeper, **more})

    def as_superuser(self, *statements: str, database: str = "postgres") -> None:
        with self.cluster.connect(database) as admin:
            for statement in statements:
                admin.execute(statement.encode())

    def scratch(self) -> list[str]:
        """What no restore may leave behind."""
        return [name for name in self.databases() if "_scratch_" in name or "_restoring_" in name]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with service(tmp_path_factory.mktemp("backups")) as made:
        kept = Kept(made.cluster, made.folder)
        kept.as_superuser(
            f"CREATE ROLE {KEEPER} LOGIN CREATEDB PASSWORD '{SECRET}'",
            f"GRANT service_owner TO {KEEPER}",
        )
        yield kept


@pytest.fixture(scope="module")
def backup(world: Kept) -> str:
    return world.back_up("backup.psql.bin.zst")


@contextmanager
def changed(world: Kept, change: str, repair: str, database: str = "postgres") -> Iterator[None]:
    world.as_superuser(change, database=database)
    try:
        yield
    finally:
        world.as_superuser(repair, database=database)


def ledger(world: Kept, database: str = DATABASE) -> tuple[object, ...] | None:
    with world.cluster.connect(database) as admin:
        return admin.execute("SELECT count(*), sum(amount) FROM ledger").fetchone()


def test_it_proves_a_backup(world: Kept, backup: str) -> None:
    assert f"{backup} is proven" in world.done("verify_backup", backup)
    assert world.scratch() == []


def test_it_restores_into_a_new_database_that_the_owner_owns(world: Kept, backup: str) -> None:
    world.done("restore_backup", backup, "--into", "elsewhere", "--commit")
    try:
        assert ledger(world, "elsewhere") == ledger(world)
        with world.cluster.connect("elsewhere") as admin:
            owners = admin.execute(
                "SELECT pg_get_userbyid(datdba), (SELECT tableowner FROM pg_tables WHERE tablename"
                " = 'ledger') FROM pg_database WHERE datname = 'elsewhere'"
            ).fetchone()
        assert owners == ("service_owner", "service_owner")
    finally:
        world.as_superuser("DROP DATABASE elsewhere")


def test_it_swaps_an_idle_service_without_any_more_rights(world: Kept, backup: str) -> None:
    before = ledger(world)
    with world.connect("owner") as owner:
        owner.execute("DELETE FROM ledger WHERE id > 10")
    world.done("restore_backup", backup, *SWAP)
    assert ledger(world) == before
    assert "Dropped service_old_" in world.done(*DROP)


def test_a_running_service_needs_the_right_to_end_sessions(world: Kept, backup: str) -> None:
    with world.connect("app") as session:
        for more in ((), ("--commit",)):
            said = world.refused("restore_backup", backup, *SWAP[:3], *more, "--lose-later-writes")
            assert "keeper may not end one of service_app" in said
            assert 'Expected: GRANT pg_signal_backend TO "keeper";' in said
        assert session.execute("SELECT 1").fetchone() == (1,)
        assert world.scratch() == []
        with changed(
            world,
            f"GRANT pg_signal_backend TO {KEEPER}",
            f"REVOKE pg_signal_backend FROM {KEEPER}",
        ):
            world.done("restore_backup", backup, *SWAP)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    world.done(*DROP)


def test_a_superusers_session_is_named(world: Kept, backup: str) -> None:
    with world.cluster.connect(DATABASE) as session:
        said = world.refused("restore_backup", backup, *SWAP)
        assert "keeper may not end one of postgres. Expected: that it ends" in said
        session.execute("SELECT 1")


LACKS = {
    "CREATEDB": (
        f"ALTER ROLE {KEEPER} NOCREATEDB",
        f"ALTER ROLE {KEEPER} CREATEDB",
        'may not create databases; expected: ALTER ROLE "keeper" CREATEDB;',
    ),
    "membership": (
        f"REVOKE service_owner FROM {KEEPER}",
        f"GRANT service_owner TO {KEEPER}",
        'may not give databases to service_owner; expected: GRANT "service_owner" TO "keeper";',
    ),
    "roles": (
        "ALTER ROLE service_auditor RENAME TO somebody",
        "ALTER ROLE somebody RENAME TO service_auditor",
        "role service_auditor does not exist, and keeper may not create roles; expected: ALTER",
    ),
    "a setting": (
        "ALTER ROLE service_app IN DATABASE service SET work_mem = '5MB'",
        "ALTER ROLE service_app IN DATABASE service RESET work_mem",
        "The setting work_mem of service_app in service cannot be carried over: permission denied",
    ),
}


@pytest.mark.parametrize(("change", "repair", "sentence"), LACKS.values(), ids=LACKS)
def test_a_missing_right_is_named_before_anything_is_restored(
    world: Kept, backup: str, change: str, repair: str, sentence: str
) -> None:
    before, databases = ledger(world), world.databases()
    with changed(world, change, repair):
        assert sentence in world.refused("restore_backup", backup, *SWAP)
    assert (ledger(world), world.databases()) == (before, databases)


def test_without_the_right_to_make_databases_nothing_is_proven_nor_disproved(
    world: Kept, backup: str
) -> None:
    change, repair, sentence = LACKS["CREATEDB"]
    with changed(world, change, repair):
        said = world.refused("verify_backup", backup)
    assert "is not proven: unknown." in said
    assert sentence in said


def test_an_extension_that_only_superusers_create_is_named(world: Kept) -> None:
    with changed(
        world, "CREATE EXTENSION pageinspect", "DROP EXTENSION pageinspect", database=DATABASE
    ):
        name = world.back_up("mighty.psql.bin.zst")
    said = world.refused("verify_backup", name)
    wanted = "The backup holds what keeper may not make: pg_restore: error: could not execute query"
    for answer in (said, world.refused("restore_backup", name, *SWAP)):
        assert wanted in answer
        assert 'permission denied to create extension "pageinspect"' in answer
    assert "is not proven: unknown." in said
    assert world.scratch() == []


def test_a_superuser_makes_for_the_owner_what_only_superusers_create(world: Kept) -> None:
    change = (
        "CREATE SCHEMA apart AUTHORIZATION service_owner; CREATE EXTENSION pageinspect SCHEMA apart"
    )
    repair = "DROP SCHEMA IF EXISTS apart CASCADE"
    with changed(world, change, repair, database=DATABASE):
        name = world.back_up("superior.psql.bin.zst")
    before = ledger(world)
    world.done("restore_backup", name, *SWAP, DATABASE_ADMIN_URL=world.cluster.address())
    assert ledger(world) == before
    with world.cluster.connect(DATABASE) as admin:
        found = admin.execute(
            "SELECT n.nspname, pg_get_userbyid(n.nspowner), pg_get_userbyid(e.extowner)"
            " FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
            " WHERE e.extname = 'pageinspect'"
        ).fetchall()
        admin.execute("DROP SCHEMA apart CASCADE")
    assert found == [("apart", "service_owner", "postgres")]
    world.done(*DROP)


def test_what_the_keeper_may_not_make_is_unknown_and_not_disproved(world: Kept) -> None:
    function = "CREATE FUNCTION sealed(int) RETURNS int LANGUAGE sql LEAKPROOF AS 'SELECT $1'"
    with changed(world, function, "DROP FUNCTION sealed", database=DATABASE):
        name = world.back_up("sealed.psql.bin.zst")
    said = world.refused("verify_backup", name)
    assert "unknown. The backup holds what keeper may not make" in said
    assert "superuser" in said


def test_roles_that_exist_stay_as_they_are_whoever_restores(world: Kept, backup: str) -> None:
    """PgBouncer has a copy of app's verifier, and another one would shut it out."""
    question = "SELECT rolname, rolpassword FROM pg_authid WHERE starts_with(rolname, 'service_')"
    with world.cluster.connect() as admin:
        before = admin.execute(question).fetchall()
    world.done("restore_backup", backup, *SWAP, DATABASE_ADMIN_URL=world.cluster.address())
    with world.cluster.connect() as admin:
        assert admin.execute(question).fetchall() == before
    assert len(before) == 3
    world.done(*DROP)
