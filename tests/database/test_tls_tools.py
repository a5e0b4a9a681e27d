"""psql, pg_dump and migrate make the same demands on the server as the ORM."""

import re
from pathlib import Path

import pytest
from django.db import DEFAULT_DB_ALIAS

from apps.backups.tools import (
    CHUNK_BYTES,
    Running,
    ToolError,
    connection_arguments,
    fitting,
    installed_tools,
    tool_environment,
)
from apps.database.connection import open_wrapper
from apps.database.postgresql.client import DatabaseClient
from apps.database.server import system_binaries
from tests.programs import require_program
from tests.recording import APPLICATION_DATA, record_types, relay_to
from tests.secured import ROLES, Secured, entry_for

pytestmark = pytest.mark.django_db

BOUND = "&channel_binding=require"
OLDER = {"ssl_max_protocol_version": "TLSv1.2"}
HOW = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.fixture
def server(secured: Secured) -> Secured:
    return secured


@pytest.fixture(scope="module")
def psql() -> str:
    """A PATH whose psql is the one of the server's own release."""
    require_program("psql", "postgresql-client")
    binaries = system_binaries()
    assert binaries is not None
    return f"{binaries.folder}:/usr/bin:/bin"


def pg_dump(address: str, output: Path, role: str = "owner") -> None:
    """Dump as the backups do: the tool, its arguments and its environment are theirs."""
    entry = entry_for(address, role)
    binaries = system_binaries()
    assert binaries is not None
    tools = fitting(installed_tools(), binaries.major(), needs_tls=True)
    command = [str(tools.folder / "pg_dump"), *connection_arguments(entry)]
    with Running(command, entry, timeout_seconds=60, stdout=True) as dump:
        chunks = iter(lambda: dump.read(CHUNK_BYTES), b"")
        output.write_bytes(b"".join(chunks))


@pytest.mark.parametrize("pool", ["persistent", "native", "pgbouncer"])
def test_psql_is_given_what_the_address_demands_and_nothing_of_ours(
    server: Secured, pool: str
) -> None:
    entry = entry_for(server.address(more=BOUND), DATABASE_POOL=pool)
    wrapper = open_wrapper(entry, DEFAULT_DB_ALIAS)
    assert isinstance(wrapper.client, DatabaseClient)
    arguments, variables = wrapper.client.settings_to_cmd_args_env(entry, ["-c", "SELECT 1"])
    assert arguments == [
        *("psql", "-U", "secured_app", "-h", "localhost", "-p", str(server.cluster.port)),
        *("-c", "SELECT 1", "secured"),
    ]
    demands = {
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(server.authority.certificate),
        "PGCHANNELBINDING": "require",
    }
    assert variables == {"PGPASSWORD": ROLES.app.password, **demands}
    assert demands.items() <= tool_environment(entry).items()


def test_a_host_that_is_excepted_still_gets_no_password_in_clear() -> None:
    entry = entry_for(
        "postgresql://app:canary@db.internal/x", DATABASE_PLAINTEXT_HOST="db.internal"
    )
    _, variables = DatabaseClient.settings_to_cmd_args_env(entry, [])
    assert variables is not None
    for given in (variables, tool_environment(entry)):
        assert (given["PGSSLMODE"], given["PGREQUIREAUTH"]) == ("disable", "scram-sha-256")


def test_dbshell_opens_an_encrypted_session(server: Secured, psql: str) -> None:
    server.serve()
    answer = server.manage("dbshell", "--", "-XAt", "-c", HOW, PATH=psql)
    assert (answer.stdout.strip(), answer.returncode) == ("t|TLSv1.3", 0), answer.stderr


@pytest.mark.parametrize(
    ("serve", "stranger", "more", "says"),
    [
        ({}, True, "", "certificate verify failed"),
        ({"days": -2}, False, "", "certificate verify failed"),
        ({"names": ["DNS:db.example"]}, False, "", 'for "db.example" does not match host name'),
        ({"ssl": "off"}, False, "", "server does not support SSL, but SSL was required"),
        ({}, False, BOUND, "channel binding required"),
    ],
)
def test_dbshell_and_pg_dump_refuse_what_the_orm_refuses(
    server: Secured,
    psql: str,
    tmp_path: Path,
    serve: dict[str, object],
    stranger: bool,
    more: str,
    says: str,
) -> None:
    server.serve(**{**OLDER, **serve})
    root = server.stranger.certificate if stranger else None
    with relay_to(server.cluster.port or 0) as relay:
        address = server.address(root=root, port=relay.port, more=more)
        answer = server.manage("dbshell", "--", "-XAt", "-c", HOW, app=address, PATH=psql)
        with pytest.raises(ToolError, match=says) as refused:
            pg_dump(server.address("owner", root=root, port=relay.port, more=more), tmp_path / "x")
    assert answer.returncode != 0
    assert says in answer.stderr
    assert "Canary" not in answer.stdout + answer.stderr + str(refused.value)
    assert len(relay.sent) == 2
    for sent in relay.sent:
        # Channel binding is refused inside the encrypted session, and still before a password.
        assert more or APPLICATION_DATA not in record_types(bytes(sent))


def test_migrate_and_dbbackup_have_encrypted_sessions_only(server: Secured, tmp_path: Path) -> None:
    server.serve(log_connections="on")
    begins = server.cluster.log.stat().st_size
    for command in (("migrate", "--verbosity", "0"), ("dbbackup", "--quiet")):
        answer = server.manage(*command, BACKUP_DIR=str(tmp_path))
        assert answer.returncode == 0, answer.stderr
    log = server.cluster.log.read_bytes()[begins:].decode()
    sessions = re.findall(r"connection authorized: user=secured_owner .*", log)
    names = {re.findall(r"application_name=(\S+)", line)[0] for line in sessions}
    assert names >= {"holdfast-owner", "pg_dump"}
    assert all("SSL enabled (protocol=TLSv1.3" in line for line in sessions)
    assert any(path.name.endswith(".bin.zst") for path in tmp_path.iterdir())
