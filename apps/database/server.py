"""A PostgreSQL server of our own: created, started, watched and stopped with its own binaries.

Plain Python, no Django: it runs before there are settings.
"""

import hashlib
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg

# sun_path holds 108 bytes with its end; the file is called .s.PGSQL.5432.lock at its longest.
LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.5432.lock")
SUPERUSER = "postgres"
START_SECONDS = 60


class ServerError(Exception):
    """The server cannot be made, started or stopped; the message is one sentence."""


@dataclass(frozen=True)
class Binaries:
    """A folder of PostgreSQL's programs."""

    folder: Path

    def version(self) -> str:
        """Such as `18.6`."""
        answer = subprocess.run(
            [str(self.folder / "postgres"), "--version"], capture_output=True, text=True, check=True
        )
        match = re.search(r"\d+(\.\d+)?", answer.stdout)
        return match[0] if match else ""

    def major(self) -> int:
        return int(self.version().partition(".")[0])


def system_binaries() -> Binaries | None:
    """The newest PostgreSQL of the operating system's packages, or None."""
    found = [
        folder
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if (folder / "initdb").exists() and folder.parent.name.isdigit()
    ]
    newest = max(found, key=lambda folder: int(folder.parent.name), default=None)
    return Binaries(newest) if newest else None


@dataclass(frozen=True)
class Account:
    """The operating system's user that runs the server; None of both for ourselves."""

    uid: int | None = None
    gid: int | None = None

    def process_options(self) -> dict[str, object]:
        if self.uid is None:
            return {"cwd": "/"}
        return {"cwd": "/", "user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def server_account() -> Account:
    """PostgreSQL refuses to run as root: then an existing unprivileged user runs it."""
    if os.geteuid() != 0:
        return Account()
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(user.pw_uid, user.pw_gid)
    raise ServerError("PostgreSQL refuses to run as root, and there is no user postgres or nobody.")


def can_enter(account: Account, path: Path) -> bool:
    """Whether the server's user can pass through the folder, or run the program, at the path."""
    if account.uid is None:
        return True
    test = subprocess.run(  # type: ignore[call-overload]
        ["/bin/sh", "-c", 'test -x "$0"', str(path)], **account.process_options()
    )
    return bool(test.returncode == 0)


def free_port() -> int:
    """A port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def socket_folder_for(folder: Path) -> Path:
    """Where the socket lies: in the folder, or under a short name when that path is too long."""
    inside = folder / "socket"
    if len(os.fsencode(str(inside))) <= LONGEST_SOCKET_FOLDER:
        return inside
    name = hashlib.sha256(os.fsencode(str(folder))).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"holdfast-{os.geteuid()}-{name}"


@dataclass
class Cluster:
    """One PostgreSQL data directory and its server.

    It listens on a Unix socket, and on a port of 127.0.0.1 only when `port` is given. Passwords
    (SCRAM) are wanted from everyone. As a context manager it is disposable: made on entry,
    stopped and removed on exit, and by a guardian process if this process dies first.
    """

    folder: Path
    binaries: Binaries
    port: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    hba: Sequence[str] = ("local all all scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256")
    account: Account = field(default_factory=server_account)
    _guardian: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def socket_folder(self) -> Path:
        return socket_folder_for(self.folder)

    @property
    def password_file(self) -> Path:
        return self.folder / "superuser-password"

    @property
    def exists(self) -> bool:
        return self.password_file.exists() and (self.data / "PG_VERSION").exists()

    def create(self) -> None:
        """Make the data directory; what a failed attempt left is removed first."""
        if self.exists:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        # The server's user must pass through; what is private lies in folders of its own.
        self.folder.chmod(0o700 if self.account.uid is None else 0o711)
        if self.data.exists():
            shutil.rmtree(self.data)
        self.data.mkdir(mode=0o700)
        self.account.own(self.data)
        self.log.touch(mode=0o600)
        self.account.own(self.log)
        password = secrets.token_urlsafe(24)
        with tempfile.TemporaryDirectory(dir=self.folder) as private:
            self.account.own(Path(private))
            pwfile = Path(private) / "password"
            pwfile.touch(mode=0o600)
            pwfile.write_text(password + "\n")
            self.account.own(pwfile)
            self._run("initdb", *self._initdb_arguments(pwfile))
        # Written last: without it the data directory counts as unfinished.
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(password + "\n")

    def _initdb_arguments(self, pwfile: Path) -> list[str]:
        options = ["--locale-provider=builtin"] if self.binaries.major() >= 17 else []
        if self.settings.get("fsync") == "off":
            options.append("--no-sync")
        return [
            f"--pgdata={self.data}",
            f"--username={SUPERUSER}",
            f"--pwfile={pwfile}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-instructions",
            *options,
        ]

    def start(self) -> None:
        """Start the server and wait until it accepts connections; nothing when it runs already."""
        if self.running:
            return
        self._prepare_socket_folder()
        self._write_configuration()
        try:
            self._run("pg_ctl", "start", "-D", str(self.data), "-l", str(self.log), "-w",
                      "-t", str(START_SECONDS), "-s")  # fmt: skip
        except ServerError:
            raise ServerError(f"PostgreSQL did not start: {self._last_log_line()}") from None

    def stop(self, mode: str = "fast") -> None:
        """Stop the server and wait for its end; nothing when it does not run."""
        if self.running:
            self._run("pg_ctl", "stop", "-D", str(self.data), "-m", mode, "-w", "-s")

    @property
    def running(self) -> bool:
        if not (self.data / "postmaster.pid").exists():
            return False
        return self._pg_ctl_status() == 0

    def _pg_ctl_status(self) -> int:
        answer = subprocess.run(  # type: ignore[call-overload]
            [str(self.binaries.folder / "pg_ctl"), "status", "-D", str(self.data)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self.account.process_options(),
        )
        return int(answer.returncode)

    def superuser_password(self) -> str:
        return self.password_file.read_text().strip()

    def address(
        self, user: str = SUPERUSER, password: str | None = None, database: str = "postgres"
    ) -> str:
        """The address through the socket, as a URL that libpq and DATABASE_URL both read."""
        secret = self.superuser_password() if password is None else password
        host = quote(str(self.socket_folder), safe="")
        if self.port:
            # The socket's file bears the port's number.
            host = f"{host}:{self.port}"
        return f"postgresql://{quote(user, safe='')}:{quote(secret, safe='')}@{host}/{database}"

    def connect(self, database: str = "postgres", **options: object) -> psycopg.Connection:
        """A superuser's connection in autocommit mode."""
        return psycopg.connect(
            host=str(self.socket_folder),
            port=self.port or 5432,
            dbname=database,
            user=SUPERUSER,
            password=self.superuser_password(),
            autocommit=True,
            **options,  # type: ignore[arg-type]
        )

    def __enter__(self) -> Self:
        self._guardian = self._start_guardian()
        try:
            self.create()
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        # What an interrupted initdb leaves running cannot be stopped so; the guardian ends it.
        with suppress(ServerError):
            self.stop("immediate")
            self.remove()
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.close()
            self._guardian.wait()

    def remove(self) -> None:
        """Remove the folders of a stopped cluster."""
        for folder in (self.folder, self.socket_folder):
            shutil.rmtree(folder, ignore_errors=True)

    def _start_guardian(self) -> subprocess.Popen[bytes]:
        """A process that outlives this one for a moment: at the end of its input it cleans up.

        Its input ends when this process ends, however it ends.
        """
        script = (
            'trap "" INT TERM; read _; '
            'if [ -f "$0/data/postmaster.pid" ]; then '
            'kill -QUIT "$(head -n 1 "$0/data/postmaster.pid")" && sleep 1; fi; '
            # An interrupted initdb may write on for a moment, so that a folder is not empty yet.
            'tries=0; while rm -rf "$0" "$1" 2>/dev/null; '
            '[ -e "$0" ] && [ "$tries" -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done'
        )
        return subprocess.Popen(
            ["/bin/sh", "-c", script, str(self.folder), str(self.socket_folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def _prepare_socket_folder(self) -> None:
        folder = self.socket_folder
        folder.mkdir(mode=0o700, exist_ok=True)
        owners = {os.geteuid(), self.account.uid}
        if folder.is_symlink() or folder.stat().st_uid not in owners:
            raise ServerError(f"{folder} belongs to somebody else; remove it and start again.")
        self.account.own(folder)
        folder.chmod(0o700)

    def _write_configuration(self) -> None:
        quoted = str(self.socket_folder).replace("\\", "\\\\").replace("'", "''")
        settings = {
            "listen_addresses": "127.0.0.1" if self.port else "",
            "port": str(self.port or 5432),
            "unix_socket_directories": f'"{quoted}"',
            "unix_socket_permissions": "0700",
            "password_encryption": "scram-sha-256",  # pragma: allowlist secret
            "log_line_prefix": "%m [%p] %q%u@%d %a ",
            "log_connections": "off",
            **self.settings,
        }
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        self._write("holdfast.conf", "".join(lines))
        self._write("postgresql.conf", "include 'holdfast.conf'\n")
        self._write("pg_hba.conf", "".join(f"{line}\n" for line in self.hba))

    def add_file(self, name: str, text: str) -> None:
        """Put a file, such as a certificate, into the data directory; mode 0600."""
        self._write(name, text)

    def _write(self, name: str, text: str) -> None:
        path = self.data / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        self.account.own(path)

    def reload(self) -> None:
        """Write the configuration again and have the running server read it."""
        self._write_configuration()
        self._run("pg_ctl", "reload", "-D", str(self.data), "-s")

    def switch_checksums(self, switch: str) -> None:
        """`--enable` or `--disable` the checksums of a stopped server's pages."""
        self._run("pg_checksums", switch, "--no-sync", "-D", str(self.data))

    def reset_wal(self, *arguments: str) -> None:
        """Have a stopped server go on from other numbers; arguments are those of pg_resetwal."""
        self._run("pg_resetwal", *arguments, "-D", str(self.data))

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of the server's programs; its output goes to the log, its complaint is raised."""
        # A file, not a pipe: the server that pg_ctl leaves behind would hold a pipe open for ever.
        with tempfile.TemporaryFile() as output:
            answer = subprocess.run(  # type: ignore[call-overload]
                [str(self.binaries.folder / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                **self.account.process_options(),
            )
            output.seek(0)
            lines = output.read().decode(errors="replace").strip().splitlines()
        if answer.returncode != 0:
            said = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()]
            raise ServerError(f"{program}: {(said or lines or ['no reason given'])[0].strip()}")

    def _last_log_line(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return "its log cannot be read"
        fatal = [line for line in lines[-40:] if "FATAL" in line or "PANIC" in line]
        return (fatal or lines or ["its log is empty"])[-1]
