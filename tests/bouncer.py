"""A real PgBouncer with the configuration that is shipped, for tests and drills."""

import configparser
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from apps.database.roles import Credential
from apps.database.server import Cluster, server_account
from config.env import BASE_DIR

START_SECONDS = 20


@contextmanager
def bouncer(
    cluster: Cluster,
    database: str,
    app: Credential,
    folder: Path,
    port: int,
    overrides: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """PgBouncer on the port, with ops/pgbouncer.ini but for its places and TLS; stopped afterwards.

    The cluster must listen on a port. `folder` must be one that the server's user can enter.
    """
    places = folder / "bouncer"
    places.mkdir()
    path = _configuration(cluster, database, app, places, port, overrides or {})
    account = server_account()
    for owned in (places, *places.iterdir()):
        account.own(owned)
    process = subprocess.Popen(
        ["/usr/sbin/pgbouncer", "--quiet", str(path)],
        **account.process_options(),  # type: ignore[call-overload]
    )
    try:
        _wait_for(port, database, app)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)


def _configuration(
    cluster: Cluster,
    database: str,
    app: Credential,
    places: Path,
    port: int,
    overrides: Mapping[str, str],
) -> Path:
    shipped = configparser.ConfigParser(interpolation=None)
    shipped.read(BASE_DIR / "ops" / "pgbouncer.ini")
    shipped["databases"] = {database: f"host=127.0.0.1 port={cluster.port} dbname={database}"}
    ours = {
        "listen_port": str(port),
        "auth_file": str(places / "userlist.txt"),
        "logfile": str(places / "log"),
        "pidfile": str(places / "pid"),
        "unix_socket_dir": "",
        "server_tls_sslmode": "disable",
        "stats_users": app.name,
        **overrides,
    }
    shipped["pgbouncer"].update(ours)
    del shipped["pgbouncer"]["server_tls_ca_file"]
    with (places / "pgbouncer.ini").open("w") as stream:
        shipped.write(stream)
    with cluster.connect() as admin:
        row = admin.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname = %s", [app.name]
        ).fetchone()
    assert row is not None
    (places / "userlist.txt").write_text(f'"{app.name}" "{row[0]}"\n')
    return places / "pgbouncer.ini"


def _wait_for(port: int, database: str, app: Credential) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with psycopg.connect(
                host="127.0.0.1", port=port, dbname=database, user=app.name, password=app.password
            ):
                return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
