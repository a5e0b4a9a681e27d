"""What an assessment is pointed at, as a command's words or the environment say."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from apps.controls.assess import address_target, own_target
from apps.controls.control import Control, Scope
from apps.controls.discovery import all_controls, select
from apps.controls.inspection import Target, one_line
from apps.controls.suppressions import FILE, Suppression, read_suppressions
from apps.database.direct import PooledAddress
from apps.database.redaction import learn_secret
from config.database import DatabaseEntry, assessed_entry
from config.env import ConfigurationError, current_environment
from config.variables import ASSESSED

OPTION = "--database-url"


@dataclass(frozen=True)
class Plan:
    """One run: which database, which controls, and which findings are no defects."""

    target: Target
    controls: list[Control]
    suppressions: list[Suppression]

    @property
    def complete(self) -> bool:
        """Whether the whole catalogue is judged."""
        return len(self.controls) == len(all_controls())


def plan_of(options: Mapping[str, Any]) -> Plan:
    """What the words of `manage.py assess` ask for.

    Raises ConfigurationError, CatalogueError or SuppressionError, each with one sentence.
    """
    target = target_of(options["database"], options["database_url"], options["app_role"])
    if options["since"] and not target.own:
        raise ConfigurationError(
            "--since last compares with what was recorded, and nothing is recorded about a "
            "database that was given by its address."
        )
    # An address is judged without the project, unless controls of it are named.
    usual = "all" if target.own or options["control"] else "platform"
    scope = Scope.PLATFORM if (options["scope"] or usual) == "platform" else None
    controls = select(all_controls(), options["control"], options["risk"], scope)
    return Plan(target, controls, _suppressions(target, options["suppressions"]))


def _suppressions(target: Target, given: str | None) -> list[Suppression]:
    """The project's file holds for its own database; for another, one that is named."""
    if given is None and not (target.own and FILE.exists()):
        return []
    path = FILE if given is None else Path(given)
    return read_suppressions(path, (control.id for control in all_controls()))


def target_of(alias: str, url: str | None, app_role: str | None) -> Target:
    """The project's own database, or that of an address of the option or the environment.

    Raises ConfigurationError with what is wrong about the words, and without a password.
    """
    entry = _given_entry(url)
    if entry is None:
        if app_role is not None:
            raise ConfigurationError(
                f"--app-role belongs to {OPTION} or {ASSESSED}; the project's own database has the "
                "role of DATABASE_URL."
            )
        if alias not in settings.DATABASES:
            raise ConfigurationError(f"There is no database alias {alias!r}.")
        return own_target(alias)
    if app_role is not None and ("\x00" in app_role or not 0 < len(app_role.encode()) <= 63):
        raise ConfigurationError("--app-role: expected the name of a role, of 1 to 63 bytes.")
    return address_target(entry, app_role or "")


def _given_entry(url: str | None) -> DatabaseEntry | None:
    entry: DatabaseEntry | None = settings.ASSESSED_DATABASE
    if url is None:
        return entry
    if entry is not None:
        raise ConfigurationError(f"{OPTION} and {ASSESSED} are both given; expected one.")
    given = assessed_entry(url, OPTION, current_environment())
    learn_secret(str(given["PASSWORD"]))
    return given


def shows_password(url: str | None) -> bool:
    """Whether the option holds a password, which everybody on this machine can then read."""
    return url is not None and "@" in url and ":" in url.rpartition("@")[0].partition("://")[2]


def unreachable(target: Target, error: DatabaseError) -> str:
    """Why there is no assessment, in one sentence; it may hold secrets still."""
    if isinstance(error, PooledAddress) and not target.own:
        return (
            "The database cannot be reached: the address leads through a connection pooler, and an "
            f"assessment needs PostgreSQL itself. Give its own host and port in {ASSESSED}."
        )
    return f"The database cannot be reached: {one_line(error)}"
