"""A scratch server with a scratch database and a copy of the project, for specimens to change."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from apps.controls.aging import age_statistics
from apps.controls.certificates import Authority, make_authority
from apps.controls.control import Control, Finding, Level, State, Verdict
from apps.controls.inspection import Target
from apps.controls.judge import judge
from apps.database.connection import open_wrapper
from apps.database.embedded import scratch_cluster
from apps.database.roles import Credential, Roles, provision
from apps.database.server import Binaries, Cluster, free_port
from config.database import DatabaseEntry, database_entry
from config.env import BASE_DIR, Environment
from config.variables import VARIABLES

CLEAN, SCRATCH = "holdfast_clean", "holdfast_scratch"
PEER_SECONDS = 60
# What a peer needs of the project.
PROJECT = ("manage.py", "Procfile", "config", "apps")


class PeerError(Exception):
    """A command of the peer broke; the message is what it said."""


@dataclass
class Scratch:
    """One world that a specimen may change; `fresh` puts everything back as it was.

    With an authority the addresses of app and auditor lead over TLS.
    """

    cluster: Cluster
    roles: Roles
    project: Path
    authority: Authority | None = None
    environment: dict[str, str] = field(default_factory=dict)
    _sessions: list[psycopg.Connection] = field(default_factory=list)
    _hba: Sequence[str] = ()
    _aged: bool = False

    def prepare(self) -> None:
        """Make the clean database: provisioned, migrated, and never touched again."""
        self._hba = tuple(self.cluster.hba)
        self.fresh_project()
        with self.cluster.connect() as admin:
            provision(admin, CLEAN, self.roles)
        self._manage("migrate", "--verbosity", "0", database=CLEAN)
        self.fresh()

    def fresh(self) -> None:
        """A new copy of the clean database, the roles repaired, files and environment as given."""
        self.end_sessions()
        self._end_prepared_transactions()
        self._renew_counters()
        self.environment.clear()
        self.fresh_project()
        with self.cluster.connect() as admin:
            admin.execute("ALTER SYSTEM RESET ALL")
            admin.execute(
                SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(SCRATCH))
            )
            admin.execute(
                SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(SCRATCH), Identifier(CLEAN))
            )
            for role in self.roles.all():
                admin.execute(SQL("ALTER ROLE {} RESET ALL").format(Identifier(role.name)))
            provision(admin, SCRATCH, self.roles)
        self.cluster.hba = self._hba
        if self.authority is not None:
            give_certificate(self.cluster, self.authority)
        self.reload()

    def certify(self, **certificate: Any) -> None:
        """Give the server another certificate of the same authority."""
        if self.authority is None:
            raise LookupError("this world has no authority")
        give_certificate(self.cluster, self.authority, **certificate)
        self.reload()

    def age_counters(self, age: timedelta) -> None:
        """Have the server's counters say that they began, and counted last, so much earlier."""
        self.end_sessions()
        self.cluster.stop()
        try:
            age_statistics(self.cluster.data, age)
        finally:
            self.cluster.start()
        self._aged = True

    def _renew_counters(self) -> None:
        if self._aged:
            with self.cluster.connect() as admin:
                admin.execute("SELECT pg_catalog.pg_stat_reset_shared('bgwriter')")
                admin.execute("SELECT pg_catalog.pg_stat_reset_shared('archiver')")
        self._aged = False

    def _end_prepared_transactions(self) -> None:
        """A database that has one cannot be dropped."""
        find = "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = %s"
        with self.cluster.connect() as admin:
            names = admin.execute(find, [SCRATCH]).fetchall()
        for (name,) in names:
            with self.cluster.connect(SCRATCH) as inside:
                inside.execute(SQL("ROLLBACK PREPARED {}").format(Literal(name)))

    def fresh_project(self) -> None:
        shutil.rmtree(self.project, ignore_errors=True)
        self.project.mkdir()
        for name in PROJECT:
            self.restore_file(name)

    def restore_file(self, name: str) -> None:
        """Put a file or folder of the copy back as the project has it."""
        source, copy = BASE_DIR / name, self.project / name
        if source.is_dir():
            shutil.copytree(source, copy, symlinks=True, dirs_exist_ok=True)
        elif source.exists():
            shutil.copyfile(source, copy)

    @contextmanager
    def connect(self, role: str) -> Iterator[psycopg.Connection]:
        """An autocommit connection to the scratch database, closed afterwards."""
        with closing(self._open(role, "", "specimen")) as connection:
            yield connection

    def _open(self, role: str, sslmode: str, name: str) -> psycopg.Connection:
        if role == "superuser":
            return self.cluster.connect(SCRATCH, application_name=name)
        credential = self._credential(role)
        host = "localhost" if sslmode else str(self.cluster.socket_folder)
        return psycopg.connect(
            host=host,
            port=self.cluster.port or 5432,
            dbname=SCRATCH,
            user=credential.name,
            password=credential.password,
            sslmode=sslmode or "prefer",
            application_name=name,
            autocommit=True,
        )

    def open_session(self, role: str, statements: Sequence[str], name: str, sslmode: str) -> None:
        """Open a session that stays until `end_sessions`."""
        connection = self._open(role, sslmode, name)
        self._sessions.append(connection)
        for statement in statements:
            # Each stands in a specimen of the catalogue.
            connection.execute(statement.encode())  # sql-reviewed: for scratch servers only

    def send(self, role: str, statement: str, name: str) -> None:
        """Open a session that stays, and whose statement may wait for as long as it takes."""
        connection = self._open(role, "", name)
        self._sessions.append(connection)
        connection.pgconn.send_query(statement.encode())

    def end_sessions(self) -> None:
        for connection in self._sessions:
            connection.close()
        self._sessions.clear()

    def reload(self) -> None:
        """Have the server read its configuration, and wait until new sessions have it."""
        before = self._loaded_at()
        self.cluster.reload()
        deadline = time.monotonic() + 10
        while self._loaded_at() == before:
            if time.monotonic() > deadline:
                raise TimeoutError("The scratch server did not read its configuration.")
            time.sleep(0.02)

    def _loaded_at(self) -> Any:
        with self.cluster.connect() as connection:
            row = connection.execute("SELECT pg_catalog.pg_conf_load_time()").fetchone()
        return row[0] if row else None

    def _credential(self, role: str) -> Credential:
        credential: Credential = getattr(self.roles, role)
        return credential

    def address(self, role: str, query: str = "", database: str = SCRATCH) -> str:
        """The role's address: through the socket, or over the network where there is TLS."""
        credential = self._credential(role)
        if self.authority is None:
            return self.cluster.address(credential.name, credential.password, database)
        return (
            f"postgresql://{credential.name}:{credential.password}"
            f"@localhost:{self.cluster.port}/{database}?{query or 'sslmode=prefer'}"
        )

    @property
    def prefer_address(self) -> str:
        return self.address("app", "sslmode=prefer")

    @property
    def plain_address(self) -> str:
        return self.address("app", "sslmode=disable")

    @property
    def verified_address(self) -> str:
        return self.address("app", f"sslmode=verify-full&sslrootcert={self._quoted_authority()}")

    @property
    def authority_address(self) -> str:
        return self.address("app", f"sslmode=verify-ca&sslrootcert={self._quoted_authority()}")

    def _quoted_authority(self) -> str:
        return quote(str(self.authority.certificate) if self.authority else "", safe="")

    def variables(self, database: str = SCRATCH) -> dict[str, str]:
        """The environment of a peer: nothing of this process's own configuration."""
        return {
            "ENVIRONMENT": "test",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "DATABASE_URL": self.address("app", database=database),
            "DATABASE_OWNER_URL": self.address("owner", database=database),
            "DATABASE_AUDITOR_URL": self.address("auditor", database=database),
            "BACKUP_DIR": str(self.backups),
            "RUNTIME_DIR": str(self.project / "run"),
            "DATABASE_ADMIN_URL": self.cluster.address(),
            **self.environment,
        }

    @property
    def backups(self) -> Path:
        """The folder of the peer's backups; `fresh` empties it."""
        return self.project / "backups"

    def run_service(self, script: str, arguments: Sequence[str], **variables: str) -> None:
        """Run Python as a web process of the project's copy would be: with app's address only."""
        declared = {variable.name for variable in VARIABLES}
        inherited = {name: value for name, value in os.environ.items() if name not in declared}
        answer = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=self.project,
            env={
                **inherited,
                "DJANGO_SETTINGS_MODULE": "config.settings",
                **self.variables(),
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=PEER_SECONDS,
        )
        if answer.returncode:
            raise PeerError(f"service: {answer.stderr[-2000:]}")

    def manage(self, *arguments: str) -> None:
        """Run a command of the project's copy on the scratch database."""
        self._manage(*arguments)

    def _manage(self, *arguments: str, database: str = SCRATCH) -> subprocess.CompletedProcess[str]:
        """Run a command of the project's copy in a process of its own."""
        declared = {variable.name for variable in VARIABLES}
        inherited = {name: value for name, value in os.environ.items() if name not in declared}
        inherited.pop("DJANGO_SETTINGS_MODULE", None)
        answer = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.project,
            env={**inherited, **self.variables(database)},
            capture_output=True,
            text=True,
            timeout=PEER_SECONDS,
        )
        if answer.returncode not in (0, 1, 2) or (arguments[0] == "assess" and not answer.stdout):
            raise PeerError(f"manage.py {arguments[0]}: {answer.stderr[-2000:]}")
        return answer

    def git(self, *arguments: str) -> None:
        """Run git in the project's copy, which becomes a repository of its own."""
        for command in (["init", "--quiet"], list(arguments)):
            subprocess.run(
                ["git", *command],  # noqa: S607  # whichever git the user has
                cwd=self.project,
                check=True,
                capture_output=True,
                timeout=PEER_SECONDS,
            )

    def judge(self, control: Control, *, peer: bool) -> Verdict:
        """The control's verdict on this world, by the same engine that judges real databases."""
        return self.judge_by_peer(control)[0] if peer else self._judge_here(control)

    def _judge_here(self, control: Control) -> Verdict:
        env = Environment(self.variables())
        entries = {role: _entry(env, role) for role in ("app", "auditor")}
        target = Target(name=SCRATCH, entries=entries)
        with closing(open_wrapper(entries["auditor"])) as connection:
            return next(judge([control], target, connection, active=True))

    def judge_by_peer(self, *controls: Control) -> list[Verdict]:
        """The verdicts of these controls, all by one process of the project's copy."""
        named = [word for control in controls for word in ("--control", control.id)]
        answer = self._manage("assess", *named, "--no-record", "--format", "json")
        return [_verdict(said) for said in json.loads(answer.stdout)["verdicts"]]


def _entry(env: Environment, role: str) -> DatabaseEntry:
    entry = database_entry(env, role)
    if entry is None:
        raise LookupError(f"the scratch environment has no address for {role}")
    return entry


@contextmanager
def scratch(
    tls_binaries: Binaries | None = None, settings: dict[str, str] | None = None
) -> Iterator[Scratch]:
    """A prepared world on the embedded server, or on a server with TLS; gone afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-")))
        authority = None
        if tls_binaries is None:
            cluster = stack.enter_context(scratch_cluster(settings=settings))
        else:
            cluster, authority = _tls_cluster(stack, folder, tls_binaries)
        owner, app, auditor = (
            Credential(f"scratch_{role}", secrets.token_urlsafe(18))
            for role in ("owner", "app", "auditor")
        )
        roles = Roles(owner, app, auditor)
        world = Scratch(cluster, roles, folder / "project", authority)
        stack.callback(world.end_sessions)
        world.prepare()
        yield world


def _tls_cluster(stack: ExitStack, folder: Path, binaries: Binaries) -> tuple[Cluster, Authority]:
    authority = make_authority(folder)
    cluster = scratch_cluster(
        binaries,
        port=free_port(),
        hba=("local all all scram-sha-256", "hostssl all all 127.0.0.1/32 scram-sha-256"),
    )
    cluster.create()
    give_certificate(cluster, authority)
    cluster.settings = {
        **cluster.settings,
        "ssl": "on",
        "ssl_cert_file": "server.crt",
        "ssl_key_file": "server.key",
    }
    return stack.enter_context(cluster), authority


def give_certificate(cluster: Cluster, authority: Authority, **certificate: Any) -> None:
    """Put a certificate and its key into the data directory; the server reads them at a reload.

    The keywords are those of Authority.issue.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = authority.issue(Path(folder), **certificate)
        for name, source in (("server.crt", made.certificate), ("server.key", made.key)):
            cluster.add_file(name, source.read_text())


def _verdict(said: dict[str, Any]) -> Verdict:
    return Verdict(
        control=said["control"],
        risk=said["risk"],
        title=said["title"],
        state=State(said["state"]),
        reason=said["reason"],
        findings=tuple(_finding(item) for item in said["findings"]),
        evidence=said["evidence"],
    )


def _finding(said: dict[str, str]) -> Finding:
    return Finding(
        Level(said["level"]), said["title"], said["subject"], said["detail"], said["remedy"]
    )
