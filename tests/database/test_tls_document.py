"""What docs/tls.md tells people to type works, and what it quotes is said."""

import re
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from apps.controls.catalogue.sec_004_tls_not_enforced import DAYS_LEFT
from apps.database import refusals
from apps.database.connection import open_wrapper
from apps.database.facts import certificate
from config.env import BASE_DIR
from config.variables import VARIABLES
from tests.secured import Secured, entry_for

pytestmark = pytest.mark.django_db
TEXT = (BASE_DIR / "docs" / "tls.md").read_text()


@pytest.fixture
def server(secured: Secured) -> Secured:
    return secured


def block(language: str, beginning: str) -> str:
    """The block of code that begins so."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    (found,) = [text for text in blocks if text.startswith(beginning)]
    return str(found)


def shell(commands: str, folder: Path, **variables: str) -> str:
    answer = subprocess.run(
        ["/bin/sh", "-euc", commands],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def encrypted(address: str) -> bool:
    with (
        closing(open_wrapper(entry_for(address))) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        return bool(cursor.fetchone()[0])


def test_its_private_authority_proves_a_server(server: Secured, tmp_path: Path) -> None:
    shell(block("sh", "openssl req -x509"), tmp_path, HOST="localhost")
    assert (tmp_path / "server.key").stat().st_mode & 0o777 == 0o600
    server.serve(ssl="off")
    for name in ("server.crt", "server.key"):
        server.cluster.add_file(name, (tmp_path / name).read_text())
    server.cluster.settings = {k: v for k, v in server.cluster.settings.items() if k != "ssl"}
    with server.cluster.connect() as admin:
        for statement in block("sql", "ALTER SYSTEM").splitlines():
            admin.execute(statement.encode())
    server.reload()
    assert encrypted(server.address(root=tmp_path / "authority.crt"))
    with server.cluster.connect() as admin:
        admin.execute("ALTER SYSTEM RESET ALL")
    shown = shell(block("sh", "openssl x509 -in server.crt"), tmp_path)
    assert "notAfter=" in shown
    assert "DNS:localhost" in shown


def test_a_pinned_certificate_proves_a_self_signed_server(server: Secured, tmp_path: Path) -> None:
    server.serve_self_signed()
    port = str(server.cluster.port)
    shown = shell(block("sh", "openssl s_client"), tmp_path, HOST="localhost", PORT=port)
    assert shown.startswith("sha256 Fingerprint=")
    assert encrypted(server.address(mode="verify-ca", root=tmp_path / "pinned.crt"))


@pytest.mark.parametrize("line", block("sh", "python manage.py").splitlines())
def test_its_commands_of_the_project_run(server: Secured, line: str) -> None:
    server.serve()
    arguments = line.partition("#")[0].split()
    assert arguments[:2] == ["python", "manage.py"]
    answer = server.manage(*arguments[2:], DATABASE_AUDITOR_URL=server.address("auditor"))
    # Its pg_hba.conf lets clear text in, and the database has no tables for evidence.
    assert answer.returncode == (1 if arguments[2] == "assess" else 0), answer.stderr
    assert "Traceback" not in answer.stderr


def test_it_quotes_what_is_said_and_leaves_nothing_out() -> None:
    said = {
        clause
        for module in (refusals, certificate)
        for clause in re.findall(
            r"\"((?:the certificate|The server) (?:comes from the authority|expired on"
            r"|is valid from|is for|speaks no TLS|answered the request for TLS with"
            r"|agreed to TLS, and the handshake failed))",
            Path(module.__file__).read_text().replace('f"', '"'),
        )
    }
    quoted = set(re.findall(r"^\| `(the (?:certificate|server) [^`]+)`", TEXT, re.MULTILINE))
    assert {clause[:1].lower() + clause[1:] for clause in said} == quoted
    assert len(quoted) == 7


def test_its_variables_and_days_are_the_projects() -> None:
    declared = {variable.name for variable in VARIABLES}
    assert set(re.findall(r"\bDATABASE_[A-Z_]+\b", TEXT)) <= declared
    assert f"fails {DAYS_LEFT} days before" in TEXT
