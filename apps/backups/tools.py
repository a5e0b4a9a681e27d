"""PostgreSQL's own programs, chosen to fit a server and run with as little as they need."""

import fcntl
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Self, cast

from apps.database.embedded import embedded_binaries
from apps.database.redaction import redact
from apps.database.server import ServerError
from config.database import TLS_OPTIONS, is_socket

# A damaged dump can make pg_restore wait for ever.
TIMEOUT_SECONDS = 6 * 3600
CHUNK_BYTES = 1 << 20


class ToolError(Exception):
    """No program fits, or one failed; the message is one sentence."""


@dataclass(frozen=True)
class Tools:
    """A folder with pg_dump and pg_restore."""

    folder: Path
    major: int
    speaks_tls: bool


def installed_tools() -> list[Tools]:
    """The tools of this machine: on the PATH, of the system's packages, of the embedded wheel."""
    on_path = shutil.which("pg_dump")
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = [_tools(folder, speaks_tls=True) for folder in folders]
    # The embedded server is not installed in production.
    with suppress(ServerError):
        found.append(_tools(embedded_binaries().folder, speaks_tls=False))
    return [tools for tools in found if tools is not None]


def _tools(folder: Path, *, speaks_tls: bool) -> Tools | None:
    if not (folder / "pg_dump").exists() or not (folder / "pg_restore").exists():
        return None
    answer = subprocess.run(
        [str(folder / "pg_dump"), "--version"], capture_output=True, text=True, timeout=10
    )
    match = re.search(r"(\d+)(\.\d+|[a-z])", answer.stdout)
    return Tools(folder, int(match[1]), speaks_tls) if match else None


def fitting(installed: Iterable[Tools], server_major: int, *, needs_tls: bool) -> Tools:
    """The oldest tools that are not older than the server, because they refuse a newer one."""
    installed = list(installed)
    fit = [
        tools
        for tools in installed
        if tools.major >= server_major and (tools.speaks_tls or not needs_tls)
    ]
    if fit:
        return min(fit, key=lambda tools: tools.major)
    found = ", ".join(
        f"{tools.major}{'' if tools.speaks_tls else ' (without TLS)'}" for tools in installed
    )
    tls = " that speaks TLS" if needs_tls else ""
    raise ToolError(
        f"The server is PostgreSQL {server_major}, and no pg_dump of that version or newer{tls} is "
        f"installed; found: {found or 'none'}. On Debian: apt install "
        f"postgresql-client-{server_major}"
    )


def needs_tls(entry: dict[str, Any]) -> bool:
    return not is_socket(entry) and entry["OPTIONS"].get("sslmode") not in (None, "disable")


def connection_arguments(entry: dict[str, Any]) -> list[str]:
    """Where the tool connects to; the password is not among the arguments."""
    arguments = [f"--host={entry['HOST'] or 'localhost'}", "--no-password"]
    if entry["PORT"]:
        arguments.append(f"--port={entry['PORT']}")
    if entry["USER"]:
        arguments.append(f"--username={entry['USER']}")
    return [*arguments, f"--dbname={entry['NAME']}"]


def tool_environment(entry: dict[str, Any]) -> dict[str, str]:
    """All that the tool sees of the environment: a path, the password and the TLS settings."""
    tls = {
        variable: str(entry["OPTIONS"][option])
        for option, variable in TLS_OPTIONS.items()
        if option in entry["OPTIONS"]
    }
    timeout = str(entry["OPTIONS"].get("connect_timeout", 10))
    return {
        "PATH": os.defpath,
        "LC_ALL": "C",
        "PGPASSWORD": str(entry["PASSWORD"]),
        "PGCONNECT_TIMEOUT": timeout,
        **tls,
    }


def run(
    command: Sequence[str],
    entry: dict[str, Any],
    *,
    feed: Any = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> None:
    """Run a tool to its end, with a stream as its input. Raises ToolError with its complaint."""
    with Running(command, entry, timeout_seconds=timeout_seconds, stdin=feed is not None) as tool:
        if feed is not None:
            tool.feed(feed)
        tool.finish()


class Running:
    """A tool at work: its output or its input is a pipe; at the end of the block it is ended."""

    def __init__(
        self,
        command: Sequence[str],
        entry: dict[str, Any],
        *,
        timeout_seconds: float,
        stdin: bool = False,
        stdout: bool = False,
    ) -> None:
        self.name = Path(command[0]).name
        self.timeout_seconds = timeout_seconds
        self._late = False
        self._stderr = TemporaryFile()  # noqa: SIM115  # closed at the end of the block
        try:
            self._process = subprocess.Popen(
                list(command),
                # What comes is taken as it comes; what is given must be given whole.
                bufsize=0 if stdout else -1,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
                stderr=self._stderr,
                env=tool_environment(entry),
                # Ctrl-C reaches this process, which then ends the tool in its own order.
                start_new_session=True,
            )
        except BaseException:
            self._stderr.close()
            raise
        if self._process.stdout is not None:
            _widen(self._process.stdout)
        self._timer = threading.Timer(timeout_seconds, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def kill(self) -> None:
        self._process.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def read(self, size: int) -> bytes:
        """Of the output; at its end, raises ToolError unless the tool ended well."""
        output = cast("IO[bytes]", self._process.stdout)
        chunk = output.read(size)
        if not chunk and size:
            self.finish()
        return chunk

    def feed(self, source: Any) -> None:
        """Give the stream as input; a tool that ends early says why in `finish`."""
        pipe = cast("IO[bytes]", self._process.stdin)
        with suppress(BrokenPipeError):
            while chunk := source.read(CHUNK_BYTES):
                pipe.write(chunk)
        with suppress(BrokenPipeError):
            pipe.close()

    def finish(self) -> None:
        """Wait for the end. Raises ToolError with the first complaint, or the lack of one."""
        code = self._process.wait()
        self._timer.cancel()
        if self._late:
            raise ToolError(f"{self.name} did not end within {self.timeout_seconds:g} s.")
        if code != 0:
            self._stderr.seek(0)
            said = self._stderr.read(10_000).decode(errors="replace").strip().splitlines()
            if code < 0:
                said = [f"{self.name} was ended by signal {-code}."]
            # Before the complaint stands where it came up.
            complaints = [line for line in said if "error:" in line]
            raise ToolError(redact((complaints or said or [f"{self.name} failed."])[0]))

    def _expire(self) -> None:
        self._late = True
        self._process.kill()


def _widen(pipe: IO[bytes]) -> None:
    """Let the tool write on while its output is compressed; Linux can, and not for everybody."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, CHUNK_BYTES)
