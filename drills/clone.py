"""A clone of the project in a folder of its own, and `make run` in it, as any user."""

import os
import pwd
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from apps.database.server import free_port
from config.env import BASE_DIR
from config.variables import VARIABLES

START_SECONDS = 300


@dataclass(frozen=True)
class Answer:
    """What an address answered."""

    status: int
    body: str
    headers: dict[str, str]


def get(address: str, accept: str = "text/html") -> Answer:
    request = urllib.request.Request(address, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Answer(answer.status, answer.read().decode(), dict(answer.headers))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode(), dict(error.headers))


@dataclass
class Clone:
    """The committed and uncommitted files of the project, copied; never its .venv, var or .env."""

    folder: Path
    user: str | None = None
    home: Path | None = None
    port: int = field(default_factory=free_port)

    def process_options(self) -> dict[str, object]:
        declared = {variable.name for variable in VARIABLES}
        environment = {name: value for name, value in os.environ.items() if name not in declared}
        for name in ("DJANGO_SETTINGS_MODULE", "REQUIRE_ALL", "MAKEFLAGS", "MAKELEVEL"):
            environment.pop(name, None)
        if self.home is not None:
            environment["HOME"] = str(self.home)
        options: dict[str, object] = {"cwd": self.folder, "env": environment}
        if self.user is not None:
            account = pwd.getpwnam(self.user)
            options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        return options

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            ["make", *arguments],
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            **self.process_options(),
        )

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command from a second terminal."""
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            [".venv/bin/python", "manage.py", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            **self.process_options(),
        )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @contextmanager
    def running(self) -> Iterator["Run"]:
        """`make run` until the page answers; Ctrl-C afterwards."""
        output = self.folder.parent / f"{self.folder.name}.out"
        started = time.monotonic()
        with output.open("w+") as stream:
            process = subprocess.Popen(  # type: ignore[call-overload]
                ["make", "run", f"PORT={self.port}"],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self.process_options(),
            )
            run = Run(process, output)
            try:
                run.wait_for("Holdfast answers at", START_SECONDS)
                run.seconds = time.monotonic() - started
                yield run
            finally:
                run.interrupt()


@dataclass
class Run:
    """One `make run`."""

    process: "subprocess.Popen[bytes]"
    output: Path
    seconds: float = 0.0

    @property
    def text(self) -> str:
        return self.output.read_text()

    def wait_for(self, words: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.text:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no {words!r} in:\n{self.text[-4000:]}")
            time.sleep(0.1)

    def interrupt(self) -> None:
        """Ctrl-C, as a terminal gives it: to every process of the group."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=60)


def copy_project(folder: Path) -> None:
    """What git would clone, and what is not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=BASE_DIR,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source, target = BASE_DIR / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def postmasters_of(folder: Path) -> list[str]:
    """The servers whose data lies below the folder, as the process list shows them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, UnicodeDecodeError):
            continue
        if re.search(r"bin/postgres ", arguments) and str(folder) in arguments:
            found.append(arguments)
    return found
