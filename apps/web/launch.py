"""The main job, `make run`: a database, the register in it, an assessment, and the pages.

It runs before there are settings, because it writes the `.env` that they are read from.
"""

import io
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import django
import psycopg
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections

from apps.database.embedded import DATABASE, development_cluster, lies_outside
from apps.database.roles import Credential, Roles, provision
from apps.database.server import Cluster, ServerError
from config.database import DatabaseEntry, database_entry, session_settings
from config.env import BASE_DIR, ConfigurationError, Environment, load_environment
from config.variables import ROLES, prefix_of

ENV_FILE = BASE_DIR / ".env"
PROFILE = "docs/risk-profile.md"
ANSWER_SECONDS = 30


class LaunchError(Exception):
    """The main job cannot go on; the message is one sentence and what to type."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Exit: 0 stopped by the user, 1 could not run."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    cluster: Cluster | None = None
    try:
        _refuse_busy_port(_port())
        cluster = _own_cluster()
        env = _prepare_database(cluster)
        _prepare_register()
        _serve(env)
    except KeyboardInterrupt:
        pass
    except (LaunchError, ServerError, ConfigurationError, CommandError, OSError) as error:
        sys.stderr.write(f"make run: {_sentence(error)}\n")
        return 1
    except (DatabaseError, psycopg.Error) as error:
        sys.stderr.write(f"make run: the database refused: {_sentence(error)}\n")
        return 1
    finally:
        _stop(cluster)
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename or 'the disk'}. Free space or change its rights."
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _port() -> int:
    return load_environment().integer("PORT", minimum=1, maximum=65535)


def _refuse_busy_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise LaunchError(
                f"port {port} cannot be used ({error.strerror}); "
                f"choose another one: make run PORT={port + 1}"
            ) from None


def _own_cluster() -> Cluster | None:
    """The embedded cluster, unless the environment leads to another server."""
    env = load_environment()
    if not ENV_FILE.exists() and not env.is_set("DATABASE_URL") and not env.is_set("DATABASE_HOST"):
        return development_cluster()
    entry = database_entry(env, "app")
    if entry is None:
        raise LaunchError(
            ".env does not set DATABASE_URL; write it there, or remove .env to have one written "
            "for the embedded PostgreSQL."
        )
    host = str(entry["HOST"])
    cluster = development_cluster() if host.startswith("/") else None
    if cluster is None or str(cluster.socket_folder) == host:
        return cluster
    if not Path(host).is_dir():
        raise LaunchError(
            f".env leads to the socket folder {host}, which does not exist; remove .env to have "
            "one written for this folder."
        )
    return None


def _prepare_database(cluster: Cluster | None) -> Environment:
    """Start the embedded server, write `.env` where there is none, create or repair the roles."""
    if cluster is None:
        say("Database: the one of DATABASE_URL")
        return load_environment()
    with _step("Database"):
        if lies_outside(cluster):
            say(f"          its user cannot enter this folder, so it lies in {cluster.folder}")
        cluster.create()
        cluster.start()
        if not ENV_FILE.exists():
            _write_env(cluster)
        env = load_environment()
        with cluster.connect() as admin:
            provision(admin, DATABASE, _roles(env))
        return env


def _write_env(cluster: Cluster) -> None:
    """Write `.env` whole or not at all, readable by its owner only."""
    lines = [
        "# Written by `make run` for the embedded PostgreSQL. Never commit it.",
        "ENVIRONMENT=development",
        f"SECRET_KEY={secrets.token_urlsafe(50)}",
    ]
    for role in ROLES:
        address = cluster.address(database="postgres")
        if role != "admin":
            address = cluster.address(f"{DATABASE}_{role}", secrets.token_urlsafe(24), DATABASE)
        lines.append(f"{prefix_of(role)}_URL={address}")
    unfinished = ENV_FILE.with_name(".env.unfinished")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:  # noqa: PTH123
        stream.write("\n".join(lines) + "\n")
    unfinished.rename(ENV_FILE)


def _roles(env: Environment) -> Roles:
    owner, app, auditor = (_credential(env, role) for role in ("owner", "app", "auditor"))
    return Roles(owner, app, auditor, app_settings=tuple(session_settings(env, "app")))


def _credential(env: Environment, role: str) -> Credential:
    entry: DatabaseEntry | None = database_entry(env, role)
    if entry is None:
        raise LaunchError(
            f".env does not set {prefix_of(role)}_URL; remove .env to have one written with an "
            "address for each role."
        )
    return Credential(str(entry["USER"]), str(entry["PASSWORD"]))


def _prepare_register() -> None:
    """Migrate as owner, make the first administrator, import our profile, judge as auditor."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    with _step("Schema"):
        call_command("migrate", interactive=False, verbosity=0)
    call_command("create_first_administrator")
    with _step("Profile"):
        imported = io.StringIO()
        call_command("import_profile", PROFILE, stdout=imported)
        say(imported.getvalue().strip().splitlines()[0])
    with _step("Verdicts"):
        _answered("assess")
        _answered("reviews", "--offline")
    call_command("register")
    connections.close_all()


def _answered(*command: str) -> None:
    """Run a command whose exit codes 1 and 2 are answers; the register tells which."""
    try:
        call_command(*command, stdout=io.StringIO())
    except CommandError as error:
        if error.returncode not in (1, 2):
            raise


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Says what is going on, and how long it took."""
    started = time.monotonic()
    say(f"{name} …")
    yield
    say(f"{name} ready ({time.monotonic() - started:.1f} s)")


def _serve(env: Environment) -> None:
    """Serve with gunicorn, as app, until the user stops it or it ends by itself."""
    port = _port()
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py"],
        cwd=BASE_DIR,
        env=_web_environment(port),
    )
    address = f"http://127.0.0.1:{port}/"
    try:
        _wait_until(lambda: _answers(f"{address}health/live/"), server)
        say(f"\nHoldfast answers at {address}\nCtrl-C stops it and its database.")
        server.wait()
    finally:
        if server.poll() is None:
            server.terminate()
        server.wait()
    raise LaunchError(f"the web server ended by itself (exit code {server.returncode})")


def _web_environment(port: int) -> dict[str, str]:
    """This process's environment without the addresses of the roles that the web must not hold."""
    prefixes = tuple(f"{prefix_of(role)}_" for role in ROLES if role != "app")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return {**kept, "PORT": str(port)}


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310  # our own http address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _wait_until(condition: Callable[[], bool], server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS
    while not condition():
        if server.poll() is not None or time.monotonic() > deadline:
            raise LaunchError("the web server did not start; its messages stand above.")
        time.sleep(0.05)


def _stop(cluster: Cluster | None) -> None:
    if cluster is None or not cluster.running:
        return
    # A second Ctrl-C must not leave the server behind.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cluster.stop()
    say("Stopped: web server and database.")


if __name__ == "__main__":
    raise SystemExit(main())
