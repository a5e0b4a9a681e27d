"""A connection as one of the roles: Django's alias stays, the credentials change."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import NO_DB_ALIAS, BaseDatabaseWrapper
from django.db.utils import ConnectionHandler

from config.database import DatabaseEntry


def role_is_configured(role: str) -> bool:
    """Whether the environment gives this process an address of its own for the role."""
    return role == "app" or role in settings.DATABASE_ROLES


def role_entry(role: str) -> DatabaseEntry:
    """A copy of the role's DATABASES entry; app's, where the role has no address of its own."""
    entry = settings.DATABASES[DEFAULT_DB_ALIAS]
    return deepcopy(settings.DATABASE_ROLES.get(role, entry))


def open_wrapper(entry: dict[str, Any], alias: str = NO_DB_ALIAS) -> BaseDatabaseWrapper:
    """A connection of its own, outside Django's per-thread registry; the caller closes it.

    Without an alias of the registry: at every new connection django.contrib.postgres opens the
    registry's connection of the same alias too, which may lead to another server.
    """
    return ConnectionHandler({DEFAULT_DB_ALIAS: entry, alias: entry})[alias]


@contextmanager
def acting_as(role: str) -> Iterator[None]:
    """Inside, this thread's `default` connection has the role's credentials.

    The alias stays, so that models, migrations and third-party commands need no word about roles.
    Does nothing when the role has no address of its own.
    """
    if role not in settings.DATABASE_ROLES:
        yield
        return
    with acting_on(role_entry(role)):
        yield


@contextmanager
def acting_on(entry: DatabaseEntry) -> Iterator[None]:
    """Inside, this thread's `default` connection leads to the entry's database."""
    usual = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = open_wrapper(entry, DEFAULT_DB_ALIAS)
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS].close()
        connections[DEFAULT_DB_ALIAS] = usual
