"""Which extensions migrations need, and whether this server can give them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.operations import CreateExtension
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.migrations.migration import Migration
from django.db.migrations.operations import AddField, AddIndex, AlterField, CreateModel, RunSQL
from django.db.migrations.operations.base import Operation
from django.db.models import Index

from apps.schema.declared import flattened, statements_of

_CREATES = re.compile(
    r"\bCREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?\"?([A-Za-z0-9_-]+)", re.IGNORECASE
)
# Types and operator classes that only an extension brings.
_TYPES = {
    "hstore": "hstore",
    "citext": "citext",
    "ltree": "ltree",
    "vector": "vector",
    "geometry": "postgis",
    "geography": "postgis",
}
# Every database is made with it; a migration may create it where it is not.
ALWAYS_THERE = "plpgsql"
_OPCLASSES = {"gin_trgm_ops": "pg_trgm", "gist_trgm_ops": "pg_trgm"}


@dataclass(frozen=True)
class Need:
    """An extension that a migration needs; `creates` says that the migration creates it."""

    extension: str
    migration: str
    creates: bool


@dataclass(frozen=True)
class Offer:
    """What the server has of an extension; `trusted` ones need no superuser."""

    installed: bool
    trusted: bool


def needs(migrations: Iterable[Migration], connection: BaseDatabaseWrapper) -> list[Need]:
    """The extensions that the migrations need, each with the first migration that does."""
    found: dict[tuple[str, bool], Need] = {}
    for migration in migrations:
        name = f"{migration.app_label}.{migration.name}"
        for operation in flattened(migration.operations):
            for extension, creates in _needed(operation, connection):
                if extension != ALWAYS_THERE:
                    found.setdefault((extension, creates), Need(extension, name, creates))
    return list(found.values())


def _needed(operation: Operation, connection: BaseDatabaseWrapper) -> Iterator[tuple[str, bool]]:
    if isinstance(operation, CreateExtension):
        yield operation.name, True
    elif isinstance(operation, RunSQL):
        for statement in statements_of(operation):
            yield from ((name, True) for name in _CREATES.findall(statement))
    elif isinstance(operation, CreateModel):
        for _, field in operation.fields:
            yield from _of_field(field, connection)
        for index in operation.options.get("indexes", ()):
            yield from _of_index(index)
    elif isinstance(operation, AddField | AlterField):
        yield from _of_field(operation.field, connection)
    elif isinstance(operation, AddIndex):
        yield from _of_index(operation.index)


def _of_field(field: Any, connection: BaseDatabaseWrapper) -> Iterator[tuple[str, bool]]:
    if field.remote_field is not None:
        return
    match = re.match(r"[a-z]+", field.db_type(connection) or "")
    if match is not None and match[0] in _TYPES:
        yield _TYPES[match[0]], False


def _of_index(index: Index) -> Iterator[tuple[str, bool]]:
    text = " ".join([*index.opclasses, *(repr(part) for part in index.expressions)])
    for opclass, extension in _OPCLASSES.items():
        if opclass in text:
            yield extension, False


def offers(cursor: CursorWrapper) -> dict[str, Offer]:
    """The extensions that this server could give or has given to this database, by name."""
    cursor.execute(
        """
        SELECT e.name, e.installed_version IS NOT NULL, coalesce(v.trusted, false)
        FROM pg_catalog.pg_available_extensions e
        LEFT JOIN pg_catalog.pg_available_extension_versions v
          ON v.name = e.name AND v.version = e.default_version
        """
    )
    return {name: Offer(installed, trusted) for name, installed, trusted in cursor.fetchall()}


def unmet(wanted: Iterable[Need], offered: dict[str, Offer], *, superuser: bool) -> Iterator[str]:
    """A sentence for each need that this server, or this role, cannot meet."""
    wanted = list(wanted)
    created = {need.extension for need in wanted if need.creates}
    for need in wanted:
        offer = offered.get(need.extension)
        if offer is None:
            yield (
                f"{need.migration} needs the extension {need.extension}, and this server does not "
                "have its files; install them (on Debian: the package postgresql-contrib, or that "
                "of the extension) or remove the need."
            )
        elif not offer.installed and not need.creates and need.extension not in created:
            yield (
                f"{need.migration} needs the extension {need.extension}, which is not in this "
                f"database and which no migration creates; add CreateExtension("
                f"'{need.extension}') before it."
            )
        elif not offer.installed and need.creates and not (offer.trusted or superuser):
            yield (
                f"{need.migration} creates the extension {need.extension}, which only a superuser "
                f'may; have one run in this database: CREATE EXTENSION "{need.extension}";'
            )
