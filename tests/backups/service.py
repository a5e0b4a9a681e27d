"""A server with the three roles and a migrated service, on which commands run as processes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from apps.database.embedded import scratch_cluster
from apps.database.roles import Credential, Roles, provision
from apps.database.server import Cluster
from config.env import BASE_DIR
from config.variables import VARIABLES

DATABASE = "service"
ROLES = Roles(
    *(Credential(f"service_{role}", f"S3cr3t-of-{role}") for role in ("owner", "app", "auditor"))
)


@dataclass
class Service:
    """The server, the folder of the backups, and manage.py with addresses that lead there."""

    cluster: Cluster
    folder: Path

    def variables(self, **more: str) -> dict[str, str]:
        nothing = {variable.name: "" for variable in VARIABLES}
        return {
            **nothing,
            "ENVIRONMENT": "test",
            "SECRET_KEY": "k" * 50,
            "BACKUP_DIR": str(self.folder),
            "DATABASE_ADMIN_URL": self.cluster.address(),
            **{
                f"DATABASE{suffix}_URL": self.address(role)
                for role, suffix in (("app", ""), ("owner", "_OWNER"), ("auditor", "_AUDITOR"))
            },
            **more,
        }

    def address(self, role: str) -> str:
        credential = getattr(ROLES, role)
        return self.cluster.address(credential.name, credential.password, DATABASE)

    def manage(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR, env=self.variables(**more), capture_output=True, text=True, timeout=180,
        )  # fmt: skip

    def done(self, *arguments: str, **more: str) -> str:
        """What a command says that must succeed."""
        answer = self.manage(*arguments, **more)
        assert answer.returncode == 0, answer.stderr[-2000:]
        return answer.stdout

    def refused(self, *arguments: str, **more: str) -> str:
        """What a command says that must fail in one sentence."""
        answer = self.manage(*arguments, **more)
        assert answer.returncode == 1, answer.stdout + answer.stderr
        assert "Traceback" not in answer.stderr, answer.stderr
        return answer.stderr.strip()

    def back_up(self, name: str) -> str:
        """Make a backup of this name and return the name."""
        self.done("dbbackup", "--quiet", "--output-filename", name)
        return name

    def connect(self, role: str) -> psycopg.Connection:
        return psycopg.connect(self.address(role), autocommit=True)

    def databases(self) -> list[str]:
        with self.cluster.connect() as admin:
            rows = admin.execute(
                "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1"
            )
            return [row[0] for row in rows]


@contextmanager
def service(folder: Path) -> Iterator[Service]:
    """The service with a small ledger of 500 rows; its server is stopped afterwards."""
    with scratch_cluster() as cluster:
        with cluster.connect() as admin:
            provision(admin, DATABASE, ROLES)
        made = Service(cluster, folder)
        made.done("migrate", "--verbosity", "0")
        with made.connect("owner") as owner:
            owner.execute(
                "CREATE TABLE ledger (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,"
                " amount numeric, at timestamptz DEFAULT now())"
            )
            owner.execute("INSERT INTO ledger (amount) SELECT n FROM generate_series(1, 500) n")
        yield made
