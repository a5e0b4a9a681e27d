"""A server with the three roles, and databases that the gallery was migrated into."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from apps.database.embedded import scratch_cluster
from apps.database.roles import Credential, Roles, provision
from apps.database.server import Binaries, Cluster
from config.database import DatabaseEntry, database_entry
from config.env import BASE_DIR, Environment
from config.variables import VARIABLES

CLEAN = "clean"


@dataclass
class World:
    """Addresses of one server's databases by role, and the project's commands run on them."""

    cluster: Cluster
    roles: Roles
    settings: str = "tests.schema.settings"
    variables: dict[str, str] = field(default_factory=dict)

    def address(self, role: str, database: str) -> str:
        credential: Credential = getattr(self.roles, role)
        return self.cluster.address(credential.name, credential.password, database)

    def environment(self, database: str) -> dict[str, str]:
        nothing = {variable.name: "" for variable in VARIABLES}
        return {
            **os.environ,
            **nothing,
            "ENVIRONMENT": "test",
            "SECRET_KEY": "k" * 50,
            "DJANGO_SETTINGS_MODULE": self.settings,
            "DATABASE_URL": self.address("app", database),
            "DATABASE_OWNER_URL": self.address("owner", database),
            "DATABASE_AUDITOR_URL": self.address("auditor", database),
            "DATABASE_ADMIN_URL": self.cluster.address(),
            **self.variables,
        }

    def start(self, database: str, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """A command of the project, running."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self.environment(database) | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, database: str, *arguments: str, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """A command of the project, to its end."""
        with self.start(database, *arguments, **variables) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def create(self, database: str) -> None:
        with self.cluster.connect() as admin:
            provision(admin, database, self.roles)

    @contextmanager
    def copy(self, template: str = CLEAN) -> Iterator[str]:
        """A copy of a database, gone afterwards; its name."""
        name = f"copy_{secrets.token_hex(4)}"
        with self.cluster.connect() as admin:
            admin.execute(
                SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template))
            )
            provision(admin, name, self.roles)
        try:
            yield name
        finally:
            with self.cluster.connect() as admin:
                admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    def sql(self, database: str, *statements: str, role: str = "superuser") -> list[Any]:
        """Run statements, each by itself; the rows of the last one."""
        with self.connect(database, role) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def connect(self, database: str, role: str = "superuser") -> psycopg.Connection:
        if role == "superuser":
            return self.cluster.connect(database)
        credential: Credential = getattr(self.roles, role)
        return psycopg.connect(
            host=str(self.cluster.socket_folder),
            port=self.cluster.port or 5432,
            dbname=database,
            user=credential.name,
            password=credential.password,
            autocommit=True,
        )

    def entry(self, role: str, database: str) -> DatabaseEntry:
        entry = database_entry(Environment(self.environment(database)), role)
        assert entry is not None
        return entry


@contextmanager
def world(binaries: Binaries | None = None, **options: Any) -> Iterator[World]:
    """A disposable server of these binaries; the embedded one without any."""
    roles = Roles(
        *(
            Credential(f"g_{role}", secrets.token_urlsafe(18))
            for role in ("owner", "app", "auditor")
        )
    )
    with scratch_cluster(binaries) as cluster:
        yield World(cluster, roles, **options)


def migrated(made: World, folder: Path | None = None) -> World:
    """The world with a migrated database called `clean`."""
    made.create(CLEAN)
    answer = made.run(CLEAN, "migrate", "--verbosity", "0")
    assert answer.returncode == 0, answer.stderr[-3000:]
    return made
