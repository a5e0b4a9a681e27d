"""The compose file fits its schema, keeps secrets out of itself, and its TLS rules really hold."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from apps.controls.selftest import tls_binaries
from apps.database.embedded import scratch_cluster
from apps.database.facts.plaintext import plaintext_refusal
from apps.database.server import free_port
from config.database import DatabaseEntry
from config.env import BASE_DIR
from config.variables import VARIABLES
from tests.programs import require, require_program

COMPOSE = BASE_DIR / "docker-compose.yml"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return loaded


def test_it_fits_the_published_schema() -> None:
    program = Path(sys.executable).parent / "check-jsonschema"
    answer = subprocess.run(
        [str(program), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)],
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_variable_is_declared_and_no_secret_stands_in_the_file(
    compose: dict[str, Any],
) -> None:
    declared = {variable.name: variable for variable in VARIABLES}
    for name in ("roles", "release", "web"):
        variables = compose["services"][name]["environment"]
        assert set(variables) <= set(declared)
        assert [name for name in variables if declared[name].secret] == []


def test_the_web_holds_apps_credentials_only(compose: dict[str, Any]) -> None:
    web = compose["services"]["web"]
    assert set(web["secrets"]) == {"secret_key", "authority", "app_password"}
    assert [name for name in web["environment"] if re.search("OWNER|AUDITOR|ADMIN", name)] == []
    assert "admin_password" not in compose["services"]["release"]["secrets"]


def test_every_service_is_hardened_and_listens_on_loopback_only(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_files_that_it_mounts_exist_and_secrets_come_from_make_secrets(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith("./") or (BASE_DIR / source).exists()
    require_program("openssl", "openssl")
    folder = tmp_path / "secrets"
    script = str(BASE_DIR / "ops" / "compose" / "make-secrets")
    assert subprocess.run(["sh", script, str(folder)], capture_output=True).returncode == 0
    made = {path.name for path in folder.iterdir()}
    assert {Path(secret["file"]).name for secret in compose["secrets"].values()} <= made
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len((folder / "app_password").read_text().strip()) >= 40
    again = subprocess.run(["sh", script, str(folder)], capture_output=True, text=True)
    assert again.returncode == 1
    assert "exists; remove it first" in again.stderr


def test_its_access_rules_let_nobody_in_without_tls(tmp_path: Path) -> None:
    require(tls_binaries() is not None, "a PostgreSQL with OpenSSL, and openssl")
    folder = tmp_path / "secrets"
    script = str(BASE_DIR / "ops" / "compose" / "make-secrets")
    subprocess.run(["sh", script, str(folder)], check=True, capture_output=True)
    rules = (BASE_DIR / "ops" / "compose" / "pg_hba.conf").read_text().splitlines()
    cluster = scratch_cluster(tls_binaries(), port=free_port(), hba=tuple(rules))
    cluster.create()
    for name in ("server.crt", "server.key"):
        cluster.add_file(name, (folder / name).read_text())
    cluster.settings = {
        **cluster.settings,
        "ssl": "on",
        "ssl_cert_file": "server.crt",
        "ssl_key_file": "server.key",
    }
    with cluster:
        entry = DatabaseEntry(HOST="127.0.0.1", PORT=cluster.port, USER="postgres", NAME="postgres")
        assert plaintext_refusal(entry) == "28000"
        with psycopg.connect(
            host="localhost",
            port=cluster.port,
            user="postgres",
            password=cluster.superuser_password(),
            dbname="postgres",
            sslmode="verify-full",
            sslrootcert=str(folder / "authority.crt"),
        ) as connection:
            row = connection.execute(
                "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            ).fetchone()
    assert row == (True,)


def test_the_dockerfile_copies_what_exists_and_runs_without_root() -> None:
    text = (BASE_DIR / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        assert all((BASE_DIR / source).exists() for source in line.split()[:-1]), line
    assert re.findall(r"^USER (\S+)$", text, re.MULTILINE) == ["holdfast"]
    assert "--require-hashes -r /requirements.txt" in text
    assert "HEALTHCHECK" in text
    assert re.findall(r"^(?:ENV|ARG) .*(?:PASSWORD|SECRET|TOKEN)", text, re.MULTILINE) == []


def test_shell_scripts_of_the_database_parse() -> None:
    for name in ("start-database", "make-secrets"):
        path = BASE_DIR / "ops" / "compose" / name
        shell = shutil.which("sh") or "/bin/sh"
        assert subprocess.run([shell, "-n", str(path)]).returncode == 0
