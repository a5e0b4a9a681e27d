"""provision_roles creates the three roles, repairs them, and sends no password."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from apps.database.embedded import scratch_cluster
from apps.database.roles import Credential, Roles, plan, provision
from apps.database.scram import proves
from apps.database.server import Cluster
from config.env import BASE_DIR
from config.variables import VARIABLES

PASSWORD = "Canary-S3cr3t-0"
DATABASE = "service"
ROLES = Roles(
    *(Credential(f"service_{role}", f"{PASSWORD}-{role}") for role in ("owner", "app", "auditor"))
)


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """An empty server that writes every statement down, for searching its log."""
    with scratch_cluster(settings={"log_statement": "all"}) as running:
        yield running


@dataclass
class Provisioner:
    """The command with addresses that lead to the server."""

    server: Cluster

    def __call__(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        nothing = {variable.name: "" for variable in VARIABLES}
        addresses = {
            "DATABASE_URL": self.address("app"),
            "DATABASE_OWNER_URL": self.address("owner"),
            "DATABASE_AUDITOR_URL": self.address("auditor"),
            "DATABASE_ADMIN_URL": self.server.address(),
        }
        return subprocess.run(
            [sys.executable, "manage.py", "provision_roles", *arguments],
            cwd=BASE_DIR,
            env={
                **nothing,
                "ENVIRONMENT": "test",
                "SECRET_KEY": "k" * 50,
                **addresses,
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    def address(self, role: str) -> str:
        credential = getattr(ROLES, role)
        return self.server.address(credential.name, credential.password, DATABASE)


@pytest.fixture
def provision_roles(server: Cluster) -> Provisioner:
    return Provisioner(server)


def connect(server: Cluster, role: str) -> psycopg.Connection:
    credential = getattr(ROLES, role)
    return psycopg.connect(
        server.address(credential.name, credential.password, DATABASE), autocommit=True
    )


def test_it_pretends_unless_told_to_commit(server: Cluster, provision_roles: Provisioner) -> None:
    with server.connect() as admin:
        before = admin.execute("SELECT count(*) FROM pg_roles").fetchone()
    answer = provision_roles()
    assert answer.returncode == 0
    assert 'CREATE ROLE "service_app"' in answer.stdout
    assert "Nothing was changed. To carry it out, add --commit." in answer.stdout
    with server.connect() as admin:
        assert admin.execute("SELECT count(*) FROM pg_roles").fetchone() == before


def test_it_shows_and_sends_no_password_and_no_verifier(
    server: Cluster, provision_roles: Provisioner
) -> None:
    answer = provision_roles("--commit")
    assert answer.returncode == 0
    assert "PASSWORD '********'" in answer.stdout
    for text in (answer.stdout, answer.stderr):
        assert PASSWORD not in text
        assert "SCRAM-SHA-256$" not in text
    log = server.log.read_text()
    assert "SCRAM-SHA-256$" in log
    assert PASSWORD not in log


def test_doing_it_twice_changes_nothing(server: Cluster) -> None:
    with server.connect() as admin:
        provision(admin, DATABASE, ROLES)
        # With the verifiers, of which PgBouncer has copies.
        first = admin.execute("SELECT * FROM pg_authid ORDER BY oid").fetchall()
        steps = provision(admin, DATABASE, ROLES)
        assert admin.execute("SELECT * FROM pg_authid ORDER BY oid").fetchall() == first
        assert not any("CREATE" in step.shown(admin).split() for step in steps if step.in_target)
        assert not any("CREATE DATABASE" in step.shown(admin) for step in steps)


def test_a_new_password_gets_a_new_verifier_and_the_others_keep_theirs(server: Cluster) -> None:
    question = "SELECT rolname, rolpassword FROM pg_authid WHERE starts_with(rolname, 'service_')"
    renewed = Roles(ROLES.owner, Credential(ROLES.app.name, f"{PASSWORD}-renewed"), ROLES.auditor)
    with server.connect() as admin:
        provision(admin, DATABASE, ROLES)
        before = dict(admin.execute(question).fetchall())
        provision(admin, DATABASE, renewed)
        after = dict(admin.execute(question).fetchall())
        provision(admin, DATABASE, ROLES)
    assert {name for name in before if before[name] != after[name]} == {"service_app"}
    assert proves(after["service_app"], f"{PASSWORD}-renewed")
    assert not proves(after["service_app"], f"{PASSWORD}-app")


@pytest.mark.parametrize("kept", [None, "", "md5" + "0" * 32, "SCRAM-SHA-256$4096:x"])
def test_what_is_no_verifier_proves_nothing(kept: str | None) -> None:
    assert not proves(kept, PASSWORD)


def test_it_takes_away_what_a_role_should_not_have(server: Cluster) -> None:
    with server.connect() as admin:
        provision(admin, DATABASE, ROLES)
        admin.execute("ALTER ROLE service_app SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS")
        admin.execute("GRANT pg_write_all_data TO service_auditor")
        admin.execute("ALTER ROLE service_owner PASSWORD 'forgotten'")
        provision(admin, DATABASE, ROLES)
        row = admin.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"
            " FROM pg_roles WHERE rolname = 'service_app'"
        ).fetchone()
        assert row == (False, False, False, False, False)
        member = "SELECT pg_has_role('service_auditor', 'pg_write_all_data', 'MEMBER')"
        assert admin.execute(member).fetchone() == (False,)
    with connect(server, "owner") as owner:
        assert owner.execute("SELECT 1").fetchone() == (1,)


def test_tables_to_come_are_open_to_app_and_closed_to_the_auditor(server: Cluster) -> None:
    with server.connect() as admin:
        provision(admin, DATABASE, ROLES)
    with connect(server, "owner") as owner:
        owner.execute("CREATE TABLE IF NOT EXISTS later (id int)")
    with connect(server, "app") as app:
        app.execute("INSERT INTO later VALUES (1)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("DROP TABLE later")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("CREATE TABLE mine (id int)")
    with connect(server, "auditor") as auditor, pytest.raises(psycopg.errors.InsufficientPrivilege):
        auditor.execute("SELECT * FROM later")


def test_names_are_identifiers_whatever_they_hold(server: Cluster) -> None:
    hostile = Roles(*(Credential(f'{role}"; DROP ROLE x; --', PASSWORD) for role in "oaz"))
    with server.connect() as admin:
        steps = plan(admin, 'data"base', hostile)
        assert any('"o""; DROP ROLE x; --"' in step.shown(admin) for step in steps)
        provision(admin, 'data"base', hostile)
        names = admin.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE '%DROP%'").fetchall()
    assert len(names) == 3


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DATABASE_ADMIN_URL": ""}, "DATABASE_ADMIN_URL is not set; expected the address"),
        ({"DATABASE_OWNER_URL": ""}, "DATABASE_OWNER_URL is not set; the three roles need"),
    ],
)
def test_a_missing_address_is_one_sentence(
    provision_roles: Provisioner, variables: dict[str, str], said: str
) -> None:
    answer = provision_roles("--commit", **variables)
    assert answer.returncode == 1
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_role_that_may_not_create_roles_is_told_so(provision_roles: Provisioner) -> None:
    assert provision_roles("--commit").returncode == 0
    answer = provision_roles("--commit", DATABASE_ADMIN_URL=provision_roles.address("app"))
    assert answer.returncode == 1
    assert "permission denied" in answer.stderr
    assert PASSWORD not in answer.stderr
