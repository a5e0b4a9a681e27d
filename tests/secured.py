"""A server of the operating system's packages that speaks TLS, and the project as its client."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from apps.controls.certificates import Authority, make_authority
from apps.controls.scratch import give_certificate
from apps.controls.selftest import tls_binaries
from apps.database.embedded import scratch_cluster
from apps.database.roles import Credential, Roles, provision
from apps.database.server import Cluster, free_port
from config.database import DatabaseEntry, database_entry
from config.env import BASE_DIR, Environment
from config.variables import VARIABLES
from tests.programs import require

DATABASE = "secured"
ROLES = Roles(
    *(
        Credential(f"secured_{role}", f"Canary-{role}-in-clear")
        for role in ("owner", "app", "auditor")
    )
)
# Whoever gets as far as the password sends it as it is; only the auditor proves that he knows it.
HBA = (
    "local all all scram-sha-256",
    "host all secured_auditor 127.0.0.1/32 scram-sha-256",
    "host all all 127.0.0.1/32 password",
)
OF_CERTIFICATE = {"days", "names", "subject", "begins"}
USUAL = {
    "ssl": "on",
    "ssl_cert_file": "server.crt",
    "ssl_key_file": "server.key",
    "ssl_max_protocol_version": "",
    "log_connections": "off",
}


@dataclass
class Secured:
    """The running server, the authority of its certificate, and another one."""

    cluster: Cluster
    authority: Authority
    stranger: Authority

    def serve(self, **changes: Any) -> None:
        """Have the server show another certificate (see Authority.issue), with other settings."""
        certificate = {name: changes.pop(name) for name in OF_CERTIFICATE & changes.keys()}
        give_certificate(self.cluster, self.authority, **certificate)
        self.cluster.settings = {**self.cluster.settings, **USUAL, **changes}
        self.reload()

    def serve_self_signed(self) -> None:
        """Have it show a certificate that nobody but itself vouches for, as platforms do."""
        self.serve()
        for name, source in (("crt", self.stranger.certificate), ("key", self.stranger.key)):
            self.cluster.add_file(f"server.{name}", source.read_text())
        self.reload()

    def reload(self) -> None:
        """Have the server read its configuration, and wait until new sessions have it."""
        before = self._loaded_at()
        self.cluster.reload()
        deadline = time.monotonic() + 10
        while self._loaded_at() == before:
            assert time.monotonic() < deadline, "the server did not read its configuration"
            time.sleep(0.01)

    def _loaded_at(self) -> object:
        with self.cluster.connect() as admin:
            return admin.execute("SELECT pg_conf_load_time()").fetchone()

    def address(
        self,
        role: str = "app",
        mode: str = "verify-full",
        *,
        root: Path | str | None = None,
        port: int | None = None,
        host: str = "localhost",
        more: str = "",
    ) -> str:
        credential = getattr(ROLES, role)
        query = f"?sslmode={mode}"
        if mode.startswith("verify"):
            query += f"&sslrootcert={quote(str(root or self.authority.certificate), safe='')}"
        return (
            f"postgresql://{credential.name}:{credential.password}@{host}:"
            f"{port or self.cluster.port}/{DATABASE}{query}{more}"
        )

    def manage(
        self, *arguments: str, app: str = "", owner: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """A command of the project, with these addresses for app and owner."""
        declared = {variable.name for variable in VARIABLES}
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in declared and not name.startswith(("PG", "SSL_CERT_"))
        }
        ours = {
            "ENVIRONMENT": "test",
            "SECRET_KEY": "k" * 50,
            "DATABASE_CONNECT_RETRY": "0",
            "DATABASE_URL": app or self.address(),
            "DATABASE_OWNER_URL": owner or self.address("owner"),
        }
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env={**inherited, **ours, **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )


@contextmanager
def secured_server() -> Iterator[Secured]:
    """The server with its roles and an empty database; stopped and removed afterwards."""
    binaries = tls_binaries()
    require(binaries is not None, "a PostgreSQL with OpenSSL, and openssl")
    cluster = scratch_cluster(binaries, port=free_port(), hba=HBA)
    with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
        places = [Path(folder) / name for name in ("ours", "theirs")]
        for place in places:
            place.mkdir()
        authority = make_authority(places[0])
        stranger = make_authority(places[1], "another authority")
        cluster.create()
        give_certificate(cluster, authority)
        cluster.settings = {**cluster.settings, **USUAL}
        with cluster:
            with cluster.connect() as admin:
                provision(admin, DATABASE, ROLES)
            yield Secured(cluster, authority, stranger)


def entry_for(address: str, role: str = "app", **variables: str) -> DatabaseEntry:
    """The DATABASES entry that a process of production would have."""
    name = "DATABASE_URL" if role == "app" else f"DATABASE_{role.upper()}_URL"
    values = {"DATABASE_CONNECT_RETRY": "0", "DATABASE_SSLMODE_MINIMUM": "require", **variables}
    entry = database_entry(Environment({name: address, **values}), role)
    assert entry is not None
    return entry
