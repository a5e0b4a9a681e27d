"""Actions that specimens are written with: each changes a server, a file or a peer process."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL, Identifier, Literal

from apps.controls.control import Action

if TYPE_CHECKING:
    from apps.controls.scratch import Scratch


def nothing(scratch: "Scratch") -> None:
    """The world as it is."""


def sql(*statements: str, role: str = "superuser") -> Action:
    """Run statements in the scratch database, each by itself."""

    def act(scratch: "Scratch") -> None:
        with scratch.connect(role) as connection:
            for statement in statements:
                # Each stands in a specimen of the catalogue.
                connection.execute(statement.encode())  # sql-reviewed: for scratch servers only

    return act


def sequence(*actions: Action) -> Action:
    """Several actions, one after the other."""

    def act(scratch: "Scratch") -> None:
        for action in actions:
            action(scratch)

    return act


def configure(**settings: str) -> Action:
    """Set server settings that a reload is enough for, and wait until they hold."""

    def act(scratch: "Scratch") -> None:
        with scratch.connect("superuser") as connection:
            for name, value in settings.items():
                connection.execute(
                    SQL("ALTER SYSTEM SET {} = {}").format(Identifier(name), Literal(value))
                )
        scratch.reload()

    return act


def hba(*lines: str) -> Action:
    """Give the server these lines as its pg_hba.conf, and wait until they hold."""

    def act(scratch: "Scratch") -> None:
        scratch.cluster.hba = lines
        scratch.reload()

    return act


def certificate(**certificate: Any) -> Action:
    """Give the server another certificate; the keywords are those of Authority.issue."""
    return lambda scratch: scratch.certify(**certificate)


def open_session(role: str, *statements: str, name: str = "peer", sslmode: str = "") -> Action:
    """Open a session of a peer and keep it open; with an sslmode it comes over the network."""

    def act(scratch: "Scratch") -> None:
        scratch.open_session(role, statements, name, sslmode)

    return act


def send(role: str, statement: str, name: str = "peer") -> Action:
    """Open a session of a peer that sends a statement and is not kept waiting for its answer."""
    return lambda scratch: scratch.send(role, statement, name)


def end_sessions(scratch: "Scratch") -> None:
    """End the sessions that specimens opened."""
    scratch.end_sessions()


def wait(seconds: float) -> Action:
    """Let time pass, for a defect that consists of it."""
    return lambda scratch: time.sleep(seconds)


def environment(**variables: str) -> Action:
    """Set variables of the peer process; `{scratch.…}` in a value is filled in."""

    def act(scratch: "Scratch") -> None:
        for name, value in variables.items():
            scratch.environment[name] = value.format(scratch=scratch)

    return act


def checksums(switch: str) -> Action:
    """Stop the server, run pg_checksums with `--enable` or `--disable`, and start it again."""

    def act(scratch: "Scratch") -> None:
        scratch.cluster.stop()
        try:
            scratch.cluster.switch_checksums(switch)
        finally:
            scratch.cluster.start()

    return act


def restarted(**settings: str) -> Action:
    """Set server settings that hold from a start only, and start the server again.

    A value with commas is a list; an empty one resets the setting.
    """

    def act(scratch: "Scratch") -> None:
        with scratch.connect("superuser") as connection:
            for name, value in settings.items():
                words = SQL(", ").join(Literal(word.strip()) for word in value.split(","))
                reset = SQL("ALTER SYSTEM RESET {}").format(Identifier(name))
                change = SQL("ALTER SYSTEM SET {} = {}").format(Identifier(name), words)
                connection.execute(change if value else reset)
        scratch.end_sessions()
        scratch.cluster.stop()
        scratch.cluster.start()

    return act


def write(file: str, text: str) -> Action:
    """Write a file of the peer's copy of the project."""

    def act(scratch: "Scratch") -> None:
        (scratch.project / file).write_text(text, encoding="utf-8")

    return act


def aged_backup(age: timedelta) -> Action:
    """Have the sidecars of the scratch world's backups say that they are this old."""

    def act(scratch: "Scratch") -> None:
        moment = datetime.now(UTC) - age
        for path in scratch.backups.glob("*.sidecar.metadata"):
            said = json.loads(path.read_text()) | {"finished_at": moment.isoformat()}
            path.write_text(json.dumps(said))

    return act


def aged_counters(days: float) -> Action:
    """Have the server's counters say that they began to count so many days earlier."""
    return lambda scratch: scratch.age_counters(timedelta(days=days))


def append(file: str, text: str) -> Action:
    """Add text to a file of the peer's copy of the project, which is made where it is missing."""

    def act(scratch: "Scratch") -> None:
        (scratch.project / file).parent.mkdir(parents=True, exist_ok=True)
        with (scratch.project / file).open("a", encoding="utf-8") as stream:
            stream.write(text)

    return act


def remove(file: str) -> Action:
    """Remove a file of the peer's copy of the project."""
    return lambda scratch: (scratch.project / file).unlink()


def edit(file: str, pattern: str, replacement: str) -> Action:
    """Replace a pattern in a file of the peer's copy of the project; it must be there."""

    def act(scratch: "Scratch") -> None:
        path = scratch.project / file
        text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"))
        if not count:
            raise LookupError(f"{file} holds nothing like {pattern!r}")
        path.write_text(text, encoding="utf-8")

    return act


# What a web process does with its connections, in short: so many clients at once, each holding one.
_SERVICE = """
import sys, threading
import django
django.setup()
from django.db import DatabaseError, connection
from psycopg_pool import PoolTimeout
from apps.database import statistics
def client():
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_catalog.pg_sleep(%s)", [float(sys.argv[2])])
    except (DatabaseError, PoolTimeout):
        pass
    finally:
        connection.close()
threads = [threading.Thread(target=client) for _ in range(int(sys.argv[1]))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
statistics.publish()
"""


def serve(clients: int, hold_seconds: float, **variables: str) -> Action:
    """A web process of the peer whose clients each hold a connection for so long, all at once.

    The variables are this process's only; `{scratch.…}` in a value is filled in.
    """

    def act(scratch: "Scratch") -> None:
        filled = {name: value.format(scratch=scratch) for name, value in variables.items()}
        scratch.run_service(_SERVICE, [str(clients), str(hold_seconds)], **filled)

    return act


def command(*arguments: str) -> Action:
    """Run a command of the project in the peer's copy; 1 is an answer, not a fault."""
    return lambda scratch: scratch.manage(*arguments)


def original(file: str) -> Action:
    """Put a file of the peer's copy back as the project has it."""
    return lambda scratch: scratch.restore_file(file)


def track(file: str, text: str) -> Action:
    """Have git track a file of the peer's copy; `{scratch.…}` in its text is filled in."""

    def act(scratch: "Scratch") -> None:
        path = scratch.project / file
        path.write_text(text.format(scratch=scratch), encoding="utf-8")
        scratch.git("add", "--force", file)

    return act


def untrack(file: str) -> Action:
    """Have git forget a file, which stays where it is."""
    return lambda scratch: scratch.git("rm", "--quiet", "--cached", file)
