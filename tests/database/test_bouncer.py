"""Behind a real PgBouncer the service works, and what needs a session of its own refuses."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from apps.database.connection import open_wrapper
from apps.database.direct import PooledAddress, is_direct, require_direct
from apps.database.embedded import scratch_cluster
from apps.database.facts.bouncer import bouncer_settings, bouncer_waiting
from apps.database.facts.errors import NoAnswer
from apps.database.roles import Credential, Roles, provision
from apps.database.server import Cluster, free_port
from config.database import DatabaseEntry, database_entry
from config.env import BASE_DIR, Environment
from config.variables import VARIABLES
from tests.bouncer import bouncer
from tests.programs import require_program

pytestmark = pytest.mark.django_db
DATABASE = "bounced"
ROLES = Roles(
    *(
        Credential(f"bounced_{role}", f"plain-{role}-password")
        for role in ("owner", "app", "auditor")
    ),
    app_settings=(("statement_timeout", "1500ms"),),
)


@dataclass
class World:
    """A server that is reached directly and through PgBouncer."""

    cluster: Cluster
    port: int

    def address(self, role: str, *, bounced: bool) -> str:
        credential = getattr(ROLES, role)
        port = self.port if bounced else self.cluster.port
        return f"postgresql://{credential.name}:{credential.password}@127.0.0.1:{port}/{DATABASE}"

    def entry(self, role: str, *, bounced: bool) -> DatabaseEntry:
        name = "DATABASE_URL" if role == "app" else f"DATABASE_{role.upper()}_URL"
        values = {"ENVIRONMENT": "test", "DATABASE_POOL": "pgbouncer"}
        made = database_entry(
            Environment({**values, name: self.address(role, bounced=bounced)}), role
        )
        assert made is not None
        return made

    def manage(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        declared = {variable.name for variable in VARIABLES}
        inherited = {k: v for k, v in os.environ.items() if k not in declared}
        addresses = {
            "DATABASE_URL": self.address("app", bounced=True),
            "DATABASE_OWNER_URL": self.address("owner", bounced=False),
            "DATABASE_AUDITOR_URL": self.address("auditor", bounced=False),
        }
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env={
                **inherited,
                "ENVIRONMENT": "test",
                "SECRET_KEY": "k" * 50,
                "DATABASE_POOL": "pgbouncer",
                **addresses,
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    require_program("pgbouncer", "pgbouncer")
    with (
        tempfile.TemporaryDirectory(prefix="holdfast-", dir="/tmp") as folder,
        scratch_cluster(port=free_port()) as cluster,
    ):
        Path(folder).chmod(0o711)
        with cluster.connect() as admin:
            provision(admin, DATABASE, ROLES)
        port = free_port()
        with bouncer(cluster, DATABASE, ROLES.app, Path(folder), port):
            made = World(cluster, port)
            migrated = made.manage("migrate", "--verbosity", "0")
            assert migrated.returncode == 0, migrated.stderr
            yield made


def test_a_session_through_it_is_told_from_a_direct_one(world: World) -> None:
    with closing(open_wrapper(world.entry("app", bounced=True))) as connection:
        assert not is_direct(connection)
        with pytest.raises(PooledAddress, match="leads through a connection pooler"):
            require_direct(connection)
    with closing(open_wrapper(world.entry("app", bounced=False))) as connection:
        assert is_direct(connection)


@pytest.mark.parametrize("command", [("migrate",), ("dbbackup",), ("assess", "--no-record")])
@pytest.mark.parametrize(
    "bounced_address",
    [
        # Its own address leads to PgBouncer, or there is only app's, which does.
        lambda world, role: world.address("app", bounced=True),
        lambda world, role: "",
    ],
)
def test_what_needs_a_session_refuses_it_in_one_sentence(
    world: World, command: tuple[str, ...], bounced_address: Callable[[World, str], str]
) -> None:
    role = "AUDITOR" if command[0] == "assess" else "OWNER"
    wrong = {f"DATABASE_{role}_URL": bounced_address(world, role)}
    answer = world.manage(*command, **wrong)
    assert answer.returncode == (3 if command[0] == "assess" else 1)
    assert "the address leads through a connection pooler" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("role", ["app", "auditor"])
def test_an_address_to_judge_may_not_lead_through_it_either(world: World, role: str) -> None:
    answer = world.manage("assess", ASSESS_DATABASE_URL=world.address(role, bounced=True))
    assert answer.returncode == 3
    assert "Give its own host and port in ASSESS_DATABASE_URL" in answer.stderr
    direct = world.manage("assess", ASSESS_DATABASE_URL=world.address(role, bounced=False))
    assert f"PostgreSQL 18.6 as bounced_{role}" in direct.stdout


def test_rows_are_streamed_without_a_server_side_cursor(world: World) -> None:
    script = (
        "import django; django.setup(); from django.contrib.contenttypes.models import ContentType;"
        "print(len(list(ContentType.objects.iterator(chunk_size=2))) > 5)"
    )
    answer = world.manage("shell", "--no-imports", "-c", script)
    assert (answer.stdout.strip(), answer.returncode) == ("True", 0), answer.stderr


def test_the_time_outs_of_app_live_on_its_role(world: World) -> None:
    with (
        closing(open_wrapper(world.entry("app", bounced=True))) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("1500ms",)


def test_its_console_tells_its_sizes_and_how_long_clients_waited(world: World) -> None:
    entry = world.entry("app", bounced=True)
    told = bouncer_settings(entry)
    assert (told["default_pool_size"], told["reserve_pool_size"]) == ("5", "10")
    assert (told["pool_mode"], told["query_wait_timeout"]) == ("transaction", "3")
    before = bouncer_waiting(entry)
    with closing(open_wrapper(entry)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.pg_sleep(0.2)")
    after = bouncer_waiting(entry)
    assert after.transactions > before.transactions
    assert after.held_ms >= before.held_ms + 190
    with pytest.raises(NoAnswer, match="console does not answer"):
        bouncer_settings(world.entry("app", bounced=False))


def test_the_controls_of_pooling_see_through_it(world: World) -> None:
    answer = world.manage("assess", "--risk", "TECH-003", "--no-record", "--format", "table")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_share_of_time_spent_waiting_is_what_it_counted(world: World) -> None:
    def ask(seconds: float) -> None:
        with (
            closing(open_wrapper(world.entry("app", bounced=True))) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT pg_catalog.pg_sleep(%s)", [seconds])

    def judged() -> subprocess.CompletedProcess[str]:
        return world.manage("assess", "--control", "PERF-001.1", "--no-record", "--format", "table")

    with ThreadPoolExecutor(max_workers=60) as clients:
        # The bouncer has fifteen connections to lend.
        list(clients.map(ask, [0.5] * 60))
    crowded = judged()
    assert crowded.returncode == 1, crowded.stdout + crowded.stderr
    assert "PgBouncer" in crowded.stdout
    assert "of their time with the database" in crowded.stdout
