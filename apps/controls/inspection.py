"""What a control is given to look with: one read-only connection, the addresses, a notebook."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from apps.controls.control import CannotSee
from apps.database.connection import open_wrapper
from apps.database.facts.counters import Counters, counters
from apps.database.facts.roles import is_member
from config.database import DatabaseEntry, is_socket


class KnownEntries(dict[str, DatabaseEntry]):
    """Addresses by role. Whoever asks for one that nobody gave cannot see."""

    def __missing__(self, role: str) -> DatabaseEntry:
        raise CannotSee(
            f"The address of {role} is not known: this database was given by an address of its own."
        )


@dataclass(frozen=True)
class Target:
    """The database to be judged: its name for people, and an address by role.

    `entries` holds at least `auditor`, the role that judges. `own` says that it is the project's
    own database, on which active controls run without being asked for. `app_role` names the
    service's role where there is no address of it.
    """

    name: str
    entries: Mapping[str, DatabaseEntry] = field(repr=False)
    own: bool = True
    app_role: str = ""


@dataclass
class Inspection:
    """One control's look at the target. What it writes into `evidence` stands in the verdict."""

    target: Target
    connection: BaseDatabaseWrapper
    cursor: CursorWrapper
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def app_role(self) -> str:
        """The name of the role that the service itself uses."""
        if self.target.own or self.target.app_role:
            return self.target.app_role or str(self.target.entries["app"]["USER"])
        raise CannotSee(
            "Which role the service uses is not known: this database was given by an address.",
            "Name it: --app-role ROLE",
        )

    @property
    def over_socket(self) -> bool:
        """Whether the judged server is reached through a Unix socket."""
        return is_socket(self.target.entries["auditor"])

    @property
    def service_address(self) -> DatabaseEntry:
        """The way to the judged server that the service takes, as far as it is known."""
        if self.target.own:
            return self.target.entries["app"]
        given = self.target.entries["auditor"]
        return DatabaseEntry(given, USER=self.target.app_role or given["USER"])

    def previous(self, control_id: str) -> dict[str, Any]:
        """What the newest recorded verdict of a control wrote down; {} before the first."""
        if not self.target.own:
            return {}
        self.cursor.execute(
            """
            SELECT v.evidence FROM controls_verdict v
            JOIN controls_assessment a ON a.id = v.assessment_id
            WHERE v.control = %s ORDER BY a.sequence DESC LIMIT 1
            """,
            [control_id],
        )
        row = self.cursor.fetchone()
        evidence = json.loads(row[0]) if row and isinstance(row[0], str) else (row or [{}])[0]
        return dict(evidence)

    def attempt(self, statement: str, parameters: list[Any] | None = None) -> str | None:
        """Try a statement as the app role in a read-write transaction that is rolled back.

        Returns the SQLSTATE that refused it, or None when the server let it pass.
        """
        with self.app_connection() as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN READ WRITE")
            cursor.execute("SET LOCAL lock_timeout = '250ms'")
            try:
                cursor.execute(statement, parameters)  # sql-reviewed: controls write it themselves
            except DatabaseError as error:
                return sqlstate_of(error)
            finally:
                cursor.execute("ROLLBACK")
        return None

    @contextmanager
    def app_connection(self) -> Iterator[BaseDatabaseWrapper]:
        """A session of the app role, opened as the service opens its own; closed afterwards."""
        entry = DatabaseEntry(self.target.entries["app"], CONN_MAX_AGE=0)
        entry["OPTIONS"] = {k: v for k, v in entry["OPTIONS"].items() if k != "pool"}
        with closing(open_wrapper(entry)) as connection:
            try:
                connection.ensure_connection()
            except DatabaseError as error:
                raise CannotSee(f"The app role cannot connect: {one_line(error)}") from error
            yield connection


def sqlstate_of(error: BaseException) -> str:
    """The SQLSTATE behind one of Django's database errors; empty when the server gave none."""
    cause = error.__cause__ if isinstance(error.__cause__, psycopg.Error) else error
    return (cause.sqlstate if isinstance(cause, psycopg.Error) else None) or ""


def one_line(error: BaseException) -> str:
    """The first line of an error's text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def sees_monitoring(inspection: Inspection) -> None:
    """Other sessions and all settings are visible to members of pg_monitor only."""
    if not is_member(inspection.cursor, "pg_monitor"):
        role = inspection.target.entries["auditor"]["USER"]
        raise CannotSee(
            f"The role {role} is no member of pg_monitor, so other sessions are hidden from it.",
            f'GRANT pg_monitor TO "{role}";',
        )


def seen_counters(inspection: Inspection) -> Counters:
    """The counters of this database; CannotSee when nobody counts, or since when is not known."""
    seen = counters(inspection.cursor)
    if not seen.counting:
        raise CannotSee(
            "track_counts is off, so that nobody counts what is read.",
            "ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf();",
        )
    if seen.seconds is None:
        raise CannotSee("Since when the server's counters count cannot be told.")
    return seen
