"""Every message that docs/troubleshooting.md quotes is one that really comes."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress

import psycopg
import pytest
from django.core.exceptions import SynchronousOnlyOperation
from psycopg_pool import ConnectionPool, PoolTimeout

from apps.database.embedded import scratch_cluster
from apps.database.roles import Credential, Roles, provision
from apps.database.server import Cluster, free_port
from config.env import BASE_DIR
from config.variables import VARIABLES
from tests.docs.reading import message_pattern, own_messages, quoted_messages

DOCUMENT = BASE_DIR / "docs" / "troubleshooting.md"
MESSAGES = quoted_messages(DOCUMENT)
DATABASE = "trouble"
ROLES = Roles(
    *(Credential(f"trouble_{role}", f"plain-{role}-words") for role in ("owner", "app", "auditor"))
)


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A server with few connections, on a port of loopback."""
    settings = {"max_connections": "8", "superuser_reserved_connections": "3"}
    with scratch_cluster(port=free_port(), settings=settings) as running:
        with running.connect() as admin:
            provision(admin, DATABASE, ROLES)
        yield running


def connect(server: Cluster, role: str = "app", **options: object) -> psycopg.Connection:
    credential = getattr(ROLES, role)
    address = {"host": "127.0.0.1", "port": server.port, "dbname": DATABASE}
    parameters = {"user": credential.name, "password": credential.password, "autocommit": True}
    return psycopg.connect(**{**address, **parameters, **options})  # type: ignore[arg-type]


def says(act: Callable[[], object]) -> str:
    with pytest.raises((psycopg.Error, PoolTimeout, SynchronousOnlyOperation)) as raised:
        act()
    return str(raised.value)


def refused(server: Cluster) -> str:
    return says(lambda: connect(server, port=free_port()))


def wrong_password(server: Cluster) -> str:
    return says(lambda: connect(server, password="wrong"))


def no_database(server: Cluster) -> str:
    return says(lambda: connect(server, "owner", dbname="nowhere"))


def no_tls(server: Cluster) -> str:
    return says(lambda: connect(server, sslmode="require"))


def unknown_host(server: Cluster) -> str:
    return says(lambda: connect(server, host="database.invalid"))


def full(server: Cluster) -> str:
    with ExitStack() as opened:
        return says(lambda: [opened.enter_context(connect(server)) for _ in range(20)])


def pool_is_empty(server: Cluster) -> str:
    app = ROLES.app
    pool = ConnectionPool(
        kwargs={
            "host": "127.0.0.1",
            "port": server.port,
            "dbname": DATABASE,
            "user": app.name,
            "password": app.password,
        },
        min_size=1,
        max_size=1,
        timeout=0.2,
        open=True,
    )
    with closing(pool), pool.connection():
        return says(pool.getconn)


def statement_is_long(server: Cluster) -> str:
    with connect(server, options="-c statement_timeout=50") as connection:
        return says(lambda: connection.execute("SELECT pg_sleep(5)"))


def lock_is_held(server: Cluster) -> str:
    with connect(server, "owner") as owner, connect(server, "owner") as other:
        owner.execute("CREATE TABLE IF NOT EXISTS held ()")
        owner.execute("BEGIN")
        owner.execute("LOCK TABLE held")
        other.execute("SET lock_timeout = 50")
        return says(lambda: other.execute("SELECT FROM held"))


def idle_for_long(server: Cluster) -> str:
    connection = connect(server, options="-c idle_in_transaction_session_timeout=50")
    connection.execute("BEGIN")
    # The server says so by itself; the socket is readable then.
    with suppress(psycopg.Error):
        for _ in connection.notifies(timeout=5):
            break
    log = server.log.read_text()
    connection.close()
    return log


def denied(server: Cluster) -> str:
    with connect(server) as app:
        return says(lambda: app.execute("CREATE TABLE mine ()"))


def denied_table(server: Cluster) -> str:
    with connect(server, "owner") as owner, connect(server, "auditor") as auditor:
        owner.execute("CREATE TABLE IF NOT EXISTS closed ()")
        return says(lambda: auditor.execute("SELECT FROM closed"))


def read_only(server: Cluster) -> str:
    with connect(server, "owner", options="-c default_transaction_read_only=on") as owner:
        return says(lambda: owner.execute("CREATE TABLE never ()"))


def conflict(server: Cluster) -> str:
    with connect(server, "owner") as owner, connect(server, "owner") as other:
        owner.execute("CREATE TABLE IF NOT EXISTS counted AS SELECT 1 AS n")
        owner.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        owner.execute("SELECT n FROM counted")
        other.execute("UPDATE counted SET n = n + 1")
        return says(lambda: owner.execute("UPDATE counted SET n = n + 1"))


def on_the_loop(server: Cluster) -> str:
    script = (
        "import asyncio, django; django.setup()\n"
        "from apps.risks.models import Profile\n"
        "async def view(): Profile.objects.count()\n"
        "asyncio.run(view())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=BASE_DIR,
        env={
            **{v.name: "" for v in VARIABLES},
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ENVIRONMENT": "test",
            "SECRET_KEY": "k" * 50,
            "DATABASE_URL": "postgresql://nobody@%2Fnowhere/none",
        },
        capture_output=True,
        text=True,
        timeout=60,
    ).stderr


# What a server or a library says, and how to make it say so.
PROVOKED: dict[str, Callable[[Cluster], str]] = {
    "Connection refused": refused,
    "password authentication failed for user …": wrong_password,
    "database … does not exist": no_database,
    "server does not support SSL, but SSL was required": no_tls,
    "failed to resolve host …": unknown_host,
    "remaining connection slots are reserved for roles with the SUPERUSER attribute": full,
    "couldn't get a connection after … sec": pool_is_empty,
    "canceling statement due to statement timeout": statement_is_long,
    "canceling statement due to lock timeout": lock_is_held,
    "terminating connection due to idle-in-transaction timeout": idle_for_long,
    "permission denied for schema public": denied,
    "permission denied for table …": denied_table,
    "cannot execute … in a read-only transaction": read_only,
    "could not serialize access due to concurrent update": conflict,
    "You cannot call this from an async context - use a thread or sync_to_async.": on_the_loop,
}


@pytest.mark.parametrize("message", list(PROVOKED))
def test_servers_and_libraries_say_it(message: str, server: Cluster) -> None:
    assert message in MESSAGES, "docs/troubleshooting.md does not quote it"
    said = PROVOKED[message](server)
    assert message_pattern(message).search(said), said


SAID: list[tuple[dict[str, str], list[str], str]] = [
    ({"DATABASE_URL": ""}, ["check"], "DATABASE_URL is not set; …"),
    ({"DATABASE_URL": "mysql://u@h/n"}, ["check"], "the scheme is …; expected postgres:// or …"),
    ({"ENVIRONMENT": "prod"}, ["check"], "ENVIRONMENT is …; expected production, …"),
    (
        {"DATABASE_POOL": "native", "DATABASE_CONN_MAX_AGE": "60"},
        ["check"],
        "DATABASE_POOL is … and DATABASE_CONN_MAX_AGE is set; …",
    ),
    ({"ENVIRONMENT": "production"}, ["check"], "ALLOWED_HOSTS is not set; …"),
    (
        {
            "ENVIRONMENT": "production",
            "ALLOWED_HOSTS": "register.example",
            "DATABASE_URL": "postgresql://u:p@h/n?sslmode=require",
        },
        ["check"],
        "sslmode is …; production expects at least …",
    ),
    ({}, ["provision_roles"], "DATABASE_ADMIN_URL is not set; …"),
    ({}, ["assess"], "The database cannot be reached: …"),
    ({}, ["assess", "--control", "X-1"], "There is no control or risk … in the catalogue."),
]


def like(words: str) -> list[str]:
    return [m for m in MESSAGES if message_pattern(words.rstrip("…")).search(m)]


OWN = set(MESSAGES) - set(PROVOKED) - {m for _, _, words in SAID for m in like(words)}


@pytest.mark.parametrize("message", sorted(OWN))
def test_our_own_code_can_say_it(message: str) -> None:
    pattern = message_pattern(message)
    assert any(pattern.search(text) for text in own_messages()), message


def test_a_message_that_nobody_says_is_noticed() -> None:
    pattern = message_pattern("no answer from the server after … s")
    assert not any(pattern.search(text) for text in own_messages())


@pytest.mark.parametrize(("variables", "command", "words"), SAID)
def test_the_commands_say_what_is_quoted(
    variables: dict[str, str], command: list[str], words: str
) -> None:
    """The quoted message that begins like `words` fits what the command really says."""
    (quoted,) = like(words)
    answer = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=BASE_DIR,
        env={
            **{v.name: "" for v in VARIABLES},
            "ENVIRONMENT": "test",
            "SECRET_KEY": "".join(map(chr, range(48, 110))),
            "DATABASE_URL": "postgresql://nobody@%2Fnowhere/none",
            "DATABASE_CONNECT_RETRY": "0",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode != 0
    assert message_pattern(quoted).search(" ".join(answer.stderr.split())), answer.stderr


def test_every_message_is_followed_by_a_cause_and_something_to_type() -> None:
    parts = re.split(r"(?:^> .*\n)+", DOCUMENT.read_text(), flags=re.MULTILINE)[1:]
    assert len(parts) == len(MESSAGES) > 20
    for message, part in zip(MESSAGES, parts, strict=True):
        assert "`" in part or "```" in part, f"nothing to type for: {message}"
        assert re.match(r"\n[A-Z]", part), f"no cause for: {message}"
