"""PostgreSQL's own programs, chosen to fit a server and run with as little as they need."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from apps.database.embedded import embedded_binaries
from apps.database.redaction import redact
from apps.database.server import ServerError
from config.database import TLS_OPTIONS, is_socket

# A damaged dump can make pg_restore wait for ever.
TIMEOUT_SECONDS = 6 * 3600


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
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> None:
    """Run a tool to its end. Raises ToolError with the tool's first complaint."""
    try:
        answer = subprocess.run(
            list(command),
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=tool_environment(entry),
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired:
        name = Path(command[0]).name
        raise ToolError(f"{name} did not end within {timeout_seconds:g} s.") from None
    if answer.returncode != 0:
        said = answer.stderr.decode(errors="replace").strip().splitlines()
        raise ToolError(redact(said[0] if said else f"{Path(command[0]).name} failed."))
