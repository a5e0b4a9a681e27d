"""A service of its own on the test cluster, for commands that run in processes of their own."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from apps.database.server import Cluster
from config.env import BASE_DIR
from config.variables import VARIABLES
from tests import environment


@dataclass
class Service:
    """A migrated database, and the environment that leads a process to it."""

    cluster: Cluster
    name: str
    variables: dict[str, str]

    def manage(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """A command that goes on; what it says comes through its stdout."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env={**self.variables, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def rows(self, query: SQL) -> list[tuple[object, ...]]:
        with self.cluster.connect(self.name) as admin:
            return admin.execute(query).fetchall()

    def as_role(self, role: str) -> psycopg.Connection:
        credential = getattr(environment.roles, role)
        return psycopg.connect(
            self.cluster.address(credential.name, credential.password, self.name), autocommit=True
        )


@contextmanager
def service(cluster: Cluster, name: str, folder: Path) -> Iterator[Service]:
    """A database of this name, migrated by the owner; gone afterwards."""
    with cluster.connect() as admin:
        admin.execute(
            SQL("CREATE DATABASE {} OWNER {}").format(
                Identifier(name), Identifier(environment.roles.owner.name)
            )
        )
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
    made = Service(
        cluster,
        name,
        {
            **inherited,
            **addresses,
            "ENVIRONMENT": "test",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "BACKUP_DIR": str(folder / "backups"),
            "RUNTIME_DIR": str(folder / "run"),
        },
    )
    migrated = made.manage("migrate", "--verbosity", "0")
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    yield made
    with cluster.connect() as admin:
        admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
