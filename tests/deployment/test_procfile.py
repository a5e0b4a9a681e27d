"""The Procfile's release and web run as a platform runs them, and stop cleanly."""

import http.client
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.database.server import Cluster, free_port
from config.env import BASE_DIR
from config.variables import VARIABLES
from tests import environment

HONCHO = str(Path(sys.executable).parent / "honcho")


@pytest.fixture
def variables(cluster: Cluster) -> Iterator[dict[str, str]]:
    """A platform's environment, leading to an empty database of the test cluster."""
    name = "holdfast_platform"
    with cluster.connect() as admin:
        admin.execute(f"CREATE DATABASE {name} OWNER test_owner".encode())
    with cluster.connect(name) as admin:
        admin.execute("ALTER SCHEMA public OWNER TO test_owner")
        admin.execute("GRANT USAGE ON SCHEMA public TO test_app, test_auditor")
    declared = {variable.name for variable in VARIABLES}
    inherited = {k: v for k, v in os.environ.items() if k not in declared}
    inherited.pop("DJANGO_SETTINGS_MODULE", None)
    addresses = {
        f"DATABASE{part}_URL": cluster.address(role.name, role.password, name)
        for part, role in zip(("_OWNER", "", "_AUDITOR"), environment.roles.all(), strict=True)
    }
    yield {
        **inherited,
        **addresses,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ENVIRONMENT": "production",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "127.0.0.1",
        "PORT": str(free_port()),
        "WEB_CONCURRENCY": "1",
    }
    with cluster.connect() as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def asked(port: str, method: str, path: str, host: str) -> int:
    """The status of two requests on one connection: a body after HEAD would spoil the second."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=5)
    found = set()
    for _ in range(2):
        connection.request(method, path, headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
        found.add(answer.status)
    connection.close()
    (one,) = found
    return one


def test_release_migrates_and_web_serves_until_it_is_stopped(variables: dict[str, str]) -> None:
    release = subprocess.run(
        [HONCHO, "run", "sh", "-c", _line("release")],
        cwd=BASE_DIR,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert release.returncode == 0, release.stdout + release.stderr
    assert "Applying controls.0001_initial... OK" in release.stdout
    web = subprocess.Popen(
        [HONCHO, "start", "web"],
        cwd=BASE_DIR,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        root = f"http://127.0.0.1:{variables['PORT']}"
        deadline = time.monotonic() + 30
        while status(f"{root}/health/live/") != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert status(f"{root}/health/ready/") == 200
        for path in ("live", "ready", "startup"):
            for method in ("GET", "HEAD"):
                for host in ("healthcheck.railway.app", "10.42.0.17:8000"):
                    assert asked(variables["PORT"], method, f"/health/{path}/", host) == 200
        # Nobody was named who may read these.
        assert status(f"{root}/metrics") == status(f"{root}/health/") == 401
    finally:
        os.killpg(web.pid, signal.SIGTERM)
        output = web.communicate(timeout=30)[0]
    assert "Shutting down: Master" in output
    for secret in (variables["SECRET_KEY"], *(role.password for role in environment.roles.all())):
        assert secret not in output
    assert status(f"{root}/health/live/") == 0


def _line(name: str) -> str:
    lines = (BASE_DIR / "Procfile").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))
