"""A connection has the options that its address asks for, and no other.

An address is text that somebody types or a platform sets. PostgreSQL's library also takes options
from files, from its own variables and from a home folder, none of which anybody sees in a review:
another host, another user's password file, a setting that changes what a statement means.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

from apps.controls.control import Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import append, environment, nothing, original, remove, sequence
from apps.database.facts.sessions import client_settings
from config.database import ENTRY_OPTIONS, database_entry, is_socket, session_settings
from config.env import current_environment, libpq_variables

_SETTINGS = "config/settings.py"
_FIELDS = ("HOST", "PORT", "NAME", "USER", "OPTIONS")
# Sent by Django or psycopg themselves, or by the server for the role.
USUAL = frozenset({"application_name", "client_encoding"})


def _in_settings(*lines: str) -> Any:
    return append(_SETTINGS, "".join(f"{line}\n" for line in ("", "import os", *lines)))


def _entries() -> dict[str, dict[str, Any]]:
    """Every entry of the live settings: Django's aliases, and the roles beside them."""
    return {**settings.DATABASES, **settings.DATABASE_ROLES}


@control(
    "SEC-003.1",
    "The live settings hold no option beyond the list",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a service file for app",
            plant=_in_settings('DATABASES["default"]["OPTIONS"]["service"] = "planted"'),
            repair=original(_SETTINGS),
            near_miss=environment(DATABASE_CONNECT_TIMEOUT="7"),
            subject="default.service",
            peer=True,
        ),
        Specimen(
            "a setting of the session that changes what names mean",
            plant=_in_settings(
                'DATABASE_ROLES["auditor"]["OPTIONS"]["options"] += " -c search_path=planted"'
            ),
            repair=original(_SETTINGS),
            near_miss=environment(DATABASE_STATEMENT_TIMEOUT="11"),
            subject="auditor.options",
            peer=True,
        ),
        Specimen(
            "a second host",
            plant=_in_settings('DATABASES["default"]["HOST"] += ",planted.example"'),
            repair=original(_SETTINGS),
            near_miss=environment(
                DATABASE_URL="{scratch.prefer_address}", DATABASE_CONN_MAX_AGE="0"
            ),
            subject="default.HOST",
            peer=True,
        ),
        Specimen(
            "a variable of PostgreSQL's library",
            plant=_in_settings('os.environ["PGOPTIONS"] = "-c search_path=planted"'),
            repair=original(_SETTINGS),
            near_miss=environment(PGPORT="1", PGDATA="/planted"),
            subject="PGOPTIONS",
            peer=True,
        ),
        Specimen(
            "a client's key in the home folder",
            plant=sequence(
                environment(HOME="{scratch.project}"),
                append(".postgresql/postgresql.key", "planted"),
            ),
            repair=remove(".postgresql/postgresql.key"),
            near_miss=sequence(
                environment(HOME="{scratch.project}"), append(".psqlrc", "\\set planted 1\n")
            ),
            subject=".postgresql/postgresql.key",
            needs="tls",
            peer=True,
        ),
    ),
)
def settings_hold_nothing_beyond_the_list(inspection: Inspection) -> Iterator[Finding]:
    env = current_environment()
    entries = _entries()
    inspection.evidence["options"] = {n: sorted(e.get("OPTIONS", {})) for n, e in entries.items()}
    for name, entry in entries.items():
        for option in sorted(set(entry.get("OPTIONS", {})) - set(ENTRY_OPTIONS)):
            yield _beyond(name, option, "is no option that Holdfast gives a connection")
        role = "app" if name == DEFAULT_DB_ALIAS else name
        said = database_entry(env, role) if role in ("app", *settings.DATABASE_ROLES) else None
        if said is not None:
            yield from _differences(name, entry, said)
    for variable in libpq_variables():
        yield Finding(
            Level.ERROR,
            "PostgreSQL's library reads a variable of its own",
            variable,
            f"{variable} is set in this process, and adds to every address.",
            f"Remove what sets it: unset {variable}",
        )
    yield from _files_at_home(entries)


def _differences(name: str, entry: dict[str, Any], said: dict[str, Any]) -> Iterator[Finding]:
    """Where an entry is not what the environment says; an option that is not allowed is told."""
    for field in _FIELDS:
        if field != "OPTIONS":
            if entry[field] != said[field]:
                yield _beyond(name, field, "is not what the environment says")
            continue
        for option in ENTRY_OPTIONS:
            if entry["OPTIONS"].get(option) != said["OPTIONS"].get(option):
                yield _beyond(name, option, "is not what the environment says")


def _beyond(name: str, what: str, problem: str) -> Finding:
    return Finding(
        Level.ERROR,
        "A connection has an option that its address does not ask for",
        f"{name}.{what}",
        f"{what} of {name} {problem}.",
        "Remove it from the settings; what a connection may have stands in config/database.py.",
    )


def _files_at_home(entries: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """What libpq takes from the home folder without being asked."""
    over_network = [name for name, entry in entries.items() if not is_socket(entry)]
    without_password = [name for name, entry in entries.items() if not entry["PASSWORD"]]
    for file, users in (
        (".postgresql/postgresql.key", over_network),
        (".postgresql/postgresql.crt", over_network),
        (".pgpass", without_password),
    ):
        if users and (Path.home() / file).exists():
            yield Finding(
                Level.ERROR,
                "PostgreSQL's library reads a file of the home folder",
                f"~/{file}",
                f"Connections of {', '.join(users)} take it without being asked.",
                f"Remove ~/{file}, or run the service as a user without one.",
            )


@control(
    "SEC-003.2",
    "The session has the settings that were asked for, and no other",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a format of dates from a variable",
            plant=_in_settings('os.environ["PGDATESTYLE"] = "German"'),
            repair=original(_SETTINGS),
            near_miss=environment(DATABASE_LOCK_TIMEOUT="6"),
            subject="DateStyle",
            peer=True,
        ),
        Specimen(
            "a setting in an option",
            plant=_in_settings(
                'DATABASE_ROLES["auditor"]["OPTIONS"]["options"] += " -c search_path=planted"'
            ),
            repair=original(_SETTINGS),
            near_miss=nothing,
            subject="search_path",
            peer=True,
        ),
    ),
)
def session_has_what_was_asked(inspection: Inspection) -> Iterator[Finding]:
    asked = dict(session_settings(current_environment(), "auditor"))
    found = {item.name: item.value for item in client_settings(inspection.cursor)}
    inspection.evidence.update(asked=asked, found=found)
    for name, value in sorted(found.items()):
        if name not in USUAL and asked.get(name) != value:
            yield Finding(
                Level.ERROR,
                "The session has a setting that nobody asked for",
                name,
                f"{name} is {value!r}; {_expected(asked.get(name))}.",
                "Find what sets it: an option of the connection, or a PG… variable.",
            )


def _expected(value: str | None) -> str:
    return "no value was asked for" if value is None else f"{value!r} was asked for"
