"""A rehearsal where the embedded server does not fit: by DATABASE_ADMIN_URL, or what is needed."""

import json
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.sql import SQL, Identifier, Literal

from apps.database.server import Cluster
from tests.schema.workshop import Workshop
from tests.schema.world import World

ADDS = 'migrations.AddField("Item", "price", models.IntegerField(null=True))'
SLEEPS = 'migrations.RunSQL("SELECT pg_sleep(30)", "SELECT 1")'
BUILDER = "g_builder"


@pytest.fixture(scope="module")
def builder(system_gallery: World) -> str:
    """The address of a role of the system's server that may create databases, and no more."""
    password = secrets.token_urlsafe(18)
    statement = SQL("CREATE ROLE {} LOGIN NOSUPERUSER CREATEDB PASSWORD {}")
    with system_gallery.cluster.connect() as admin:
        admin.execute(statement.format(Identifier(BUILDER), Literal(password)))
    return system_gallery.cluster.address(BUILDER, password)


@pytest.fixture(scope="module")
def begun_there(system_gallery: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of the system's server that the workshop's first migration was applied to."""
    with system_gallery.copy() as database:
        made = Workshop(system_gallery, tmp_path_factory.mktemp("begun"), database)
        made.prepare()
        assert made.migrate().returncode == 0
        made.sql(
            "INSERT INTO workshop_item (name, note) SELECT g, g FROM generate_series(1, 100) g"
        )
        yield database


@pytest.fixture
def workshop(system_gallery: World, begun_there: str, tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(system_gallery, tmp_path, begun_there)
    made.prepare()
    yield made
    assert scratch_databases(made) == []


def scratch_databases(workshop: Workshop) -> list[str]:
    question = "SELECT datname FROM pg_database WHERE datname LIKE 'holdfast_rehearsal%'"
    return [str(name) for (name,) in workshop.sql(question)]


@pytest.fixture(params=["a stranger", "a member of the owner"])
def admin(request: pytest.FixtureRequest, workshop: Workshop, builder: str) -> Iterator[str]:
    """The builder's address, with and without the owner's rights."""
    if request.param == "a stranger":
        yield builder
        return
    workshop.sql(f"GRANT g_owner TO {BUILDER}")
    yield builder
    workshop.sql(f"REVOKE g_owner FROM {BUILDER}")


def refused(answer: "subprocess.CompletedProcess[str]") -> str:
    """The one sentence of a rehearsal that could not run."""
    assert (answer.returncode, answer.stdout) == (3, "")
    said = answer.stderr.strip()
    assert "\n" not in said
    return said.removeprefix("CommandError: ")


def test_a_role_that_may_create_databases_is_enough(workshop: Workshop, admin: str) -> None:
    workshop.write("0002_price", ADDS)
    index = 'AddIndexConcurrently("Item", models.Index(fields=["name"], name="by_name"))'
    workshop.write("0003_index", index, after="0002_price", atomic=False)
    answer = workshop.rehearse("--from-live", "--format", "json", DATABASE_ADMIN_URL=admin)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    said = json.loads(answer.stdout)
    assert said["server"] == "DATABASE_ADMIN_URL"
    assert [(m["verdict"], m["reversible"], m["crash"]["killed"]) for m in said["migrations"]] == [
        ("safe", "reversible", True)
    ] * 2
    assert workshop.applied == ["0001_initial"]


def test_so_it_is_for_a_copy_without_rows(workshop: Workshop, admin: str) -> None:
    workshop.write("0002_price", ADDS)
    answer = workshop.rehearse("--empty", DATABASE_ADMIN_URL=admin)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "server: DATABASE_ADMIN_URL" in answer.stdout


def test_nothing_stays_of_a_rehearsal_that_finds_a_failure(workshop: Workshop, admin: str) -> None:
    workshop.write("0002_odd", f"{ADDS}, migrations.RunPython(fail, nothing)", atomic=False)
    answer = workshop.rehearse("--from-live", DATABASE_ADMIN_URL=admin)
    assert answer.returncode == 1, answer.stderr
    assert "fails: the seventh row is odd" in answer.stdout
    assert scratch_databases(workshop) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("atomic", [True, False])
def test_nothing_stays_of_an_interrupted_one(
    workshop: Workshop, builder: str, number: signal.Signals, atomic: bool
) -> None:
    workshop.write("0002_sleep", SLEEPS, atomic=atomic)
    with workshop.start_rehearsal("--from-live", DATABASE_ADMIN_URL=builder) as process:
        deadline = time.monotonic() + 60
        while not workshop.sql(
            "SELECT 1 FROM pg_stat_activity WHERE datname LIKE 'holdfast_rehearsal%'"
            " AND query LIKE 'SELECT pg_sleep%' AND state = 'active'"
        ):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        assert len(scratch_databases(workshop)) == 1 + (not atomic)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 3
    assert said.strip() == (
        "CommandError: Interrupted; the scratch copy is gone, the real database was only read."
    )
    assert scratch_databases(workshop) == []
    assert workshop.applied == ["0001_initial"]


def test_what_a_killed_one_left_is_swept_when_it_is_old(workshop: Workshop, builder: str) -> None:
    workshop.write("0002_price", ADDS)
    old = "holdfast_rehearsal_scratch_20200131T031500_abcd"
    new = "holdfast_rehearsal_scratch_29990131T031500_abcd"
    for name in (old, new):
        workshop.sql(f'CREATE DATABASE "{name}" OWNER {BUILDER}')
    answer = workshop.rehearse("--empty", DATABASE_ADMIN_URL=builder)
    assert answer.returncode == 0, answer.stderr
    assert scratch_databases(workshop) == [new]
    workshop.sql(f'DROP DATABASE "{new}"')


def test_a_role_that_may_not_create_databases_is_told_what_to_run(
    workshop: Workshop, builder: str
) -> None:
    workshop.write("0002_price", ADDS)
    workshop.sql(f"ALTER ROLE {BUILDER} NOCREATEDB")
    said = refused(workshop.rehearse("--from-live", DATABASE_ADMIN_URL=builder))
    workshop.sql(f"ALTER ROLE {BUILDER} CREATEDB")
    assert said == (
        f"The role {BUILDER} of DATABASE_ADMIN_URL may not create databases. Have a superuser run: "
        f'ALTER ROLE "{BUILDER}" CREATEDB;'
    )


def test_without_a_place_it_is_said_what_is_needed(workshop: Workshop, cluster: Cluster) -> None:
    workshop.write("0002_price", ADDS)
    major = workshop.world.cluster.binaries.major()
    wanted = (
        f"Set DATABASE_ADMIN_URL to a PostgreSQL {major} with pg_trgm, as a role that may create "
        "databases."
    )
    here = "There is no server to rehearse on: the embedded server is PostgreSQL 18"
    assert refused(workshop.rehearse("--from-live", DATABASE_ADMIN_URL="")) == f"{here}. {wanted}"
    other = refused(workshop.rehearse("--from-live", DATABASE_ADMIN_URL=cluster.address()))
    assert other == f"{here}, and that of DATABASE_ADMIN_URL is PostgreSQL 18. {wanted}"
    nowhere = refused(
        workshop.rehearse("--from-live", DATABASE_ADMIN_URL="postgresql://a@%2Fnowhere/a")
    )
    assert nowhere.startswith(f"{here}, and that of DATABASE_ADMIN_URL cannot be reached: ")
