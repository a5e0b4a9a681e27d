"""Restores a backup beside a database, proves it there, and only then lets it take the place."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Identifier

from apps.backups.administrator import (
    check_belongings,
    check_rights,
    check_sessions,
    needed_steps,
)
from apps.backups.catalogue import Backup
from apps.backups.contents import applied_migrations
from apps.backups.databases import (
    check_server,
    create_database,
    dated_databases,
    dated_name,
    drop_afresh,
    sweep_databases,
)
from apps.backups.extensions import left_to_administrator, restore_in_parts
from apps.backups.opening import require_no_gpg
from apps.backups.records import rebuild
from apps.backups.restoring import check_file, restore_into
from apps.backups.swap import rename, swap
from apps.backups.verify import compare_restored
from apps.database.connection import acting_on, open_wrapper, role_entry, role_is_configured
from apps.database.facts.tables import table_contents
from apps.database.roles import Roles, Step, configured_roles, grant_tables, plan
from config.database import DatabaseEntry

# The rows of these follow the sidecars, and are read back from them afterwards.
CATALOGUE = ("public.backups_backuprow", "public.backups_verificationrow")
SHOWN_TABLES = 4


class Refused(Exception):
    """The restore is not begun; the message says why, and what would let it begin."""


@dataclass(frozen=True)
class Wish:
    """What is to be restored, and how."""

    backup: Backup
    into: str
    swap: bool = False
    lose_later_writes: bool = False
    privileges: bool = True


@dataclass(frozen=True)
class Outcome:
    """The database that holds the restored rows, the one that was there before, and the proof."""

    database: str
    old: str | None
    evidence: dict[str, Any]


def admin_entry(into: str) -> DatabaseEntry:
    """The admin role's way to the server, by another database than the one to be replaced."""
    if not role_is_configured("admin"):
        raise Refused(
            "DATABASE_ADMIN_URL is not set; expected the address of a role that may create and "
            "rename databases, which the owner may not."
        )
    entry = role_entry("admin")
    name = entry["NAME"] if entry["NAME"] not in ("", into) else "postgres"
    return DatabaseEntry({**entry, "NAME": name})


def owner_entry(admin: DatabaseEntry, database: str) -> DatabaseEntry:
    """The owner's way to a database of the same server."""
    owner = role_entry("owner")
    credentials = {"NAME": database, "USER": owner["USER"], "PASSWORD": owner["PASSWORD"]}
    return DatabaseEntry({**admin, **credentials})


def steps(wish: Wish) -> list[str]:
    """What `restore` would do, in words. Raises Refused, CannotTell or KeyProblem."""
    admin, roles = admin_entry(wish.into), _roles()
    with _cursor(admin) as cursor:
        exists = _check(cursor, admin, wish, roles)
    into, name = wish.into, wish.backup.name
    said = [
        f"restore {name} beside, into a new database, as the role {role_entry('owner')['USER']}"
    ]
    said.append("compare its rows, sequences, migrations and schema with the sidecar")
    if not exists:
        return [*said, f"call it {into}, which does not exist yet"]
    if not wish.swap:
        return [*said, f"leave it there under a dated name; {into} stays as it is (no --swap)"]
    return [
        *said,
        f"end the sessions of {into}, and rename both databases in one transaction",
        f"keep the old one under a dated name, until: restore_backup --into {into} --drop-old",
    ]


def restore(wish: Wish, tell: Callable[[str], None] = lambda line: None) -> Outcome:
    """Carry the wish out. Until the swap's one transaction the database in place just serves.

    Raises Refused, CannotTell, NotProven, KeyProblem, ToolError or a DatabaseError.
    """
    admin, roles = admin_entry(wish.into), _roles()
    with _cursor(admin) as cursor:
        exists = _check(cursor, admin, wish, roles)
        sweep_databases(cursor, wish.into, "restoring")
        check_file(wish.backup)
        beside = dated_name(wish.into, "restoring")
        evidence: dict[str, Any] = {}
        try:
            create_database(cursor, beside, wish.backup)
            if exists and wish.swap:
                check_belongings(admin, wish.into, beside)
            tell(f"Restoring into {beside}")
            _fill(cursor, admin, beside, wish, roles)
            tell("Comparing with the sidecar")
            compare_restored(wish.backup, owner_entry(admin, beside), evidence)
            outcome = _put_in_place(cursor, admin, wish, beside, exists, evidence)
        except BaseException:
            drop_afresh(admin, beside)
            raise
    _read_catalogue_back(outcome)
    return outcome


def drop_old(into: str, *, commit: bool) -> list[str]:
    """Drop the databases that swaps of this one kept; or only name them."""
    with _cursor(admin_entry(into)) as cursor:
        kept = dated_databases(cursor, into, "old")
        for name in kept if commit else []:
            # Without force: whoever still looks at it is not thrown out.
            cursor.execute(SQL("DROP DATABASE {}").format(Identifier(name)))
    return kept


def _check(cursor: CursorWrapper, admin: DatabaseEntry, wish: Wish, roles: Roles) -> bool:
    """Whether the target exists.

    Raises Refused, CannotTell or KeyProblem where a restore would be wrong, or could not end.
    """
    if wish.backup.partial:
        raise Refused(
            f"{wish.backup.name} lacks tables or schemas by intention; a restore would lose them."
        )
    require_no_gpg(wish.backup)
    check_server(cursor, wish.backup, newer=True)
    check_rights(cursor, roles)
    cursor.execute("SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s", [wish.into])
    exists = cursor.fetchone() is not None
    if exists and wish.swap:
        check_sessions(cursor, wish.into)
    if exists and wish.swap and not wish.lose_later_writes:
        later = later_than(wish.backup, owner_entry(admin, wish.into))
        if later:
            raise Refused(
                f"{wish.into} is newer than {wish.backup.name}: {'; '.join(later)}. Back it up "
                "first (manage.py dbbackup); to give up what came later, add --lose-later-writes."
            )
    return exists


def later_than(backup: Backup, entry: DatabaseEntry) -> list[str]:
    """What the database has that the backup has not: migrations, and tables of other content."""
    with closing(open_wrapper(entry)) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        migrations = applied_migrations(cursor)
        tables = table_contents(cursor, fingerprint_method=backup.fingerprint_method)
    ahead = [
        f"{application}.{name}"
        for application, names in migrations.items()
        for name in names
        if name not in backup.migrations.get(application, [])
    ]
    changed = [
        table
        for table, content in tables.items()
        if table not in CATALOGUE and backup.tables.get(table) != content
    ]
    said = [f"the migration {name} was applied since" for name in ahead]
    if changed:
        more = len(changed) - SHOWN_TABLES
        shown = ", ".join(changed[:SHOWN_TABLES]) + (f" and {more} more" if more > 0 else "")
        said.append(f"rows were written since in {shown}")
    return said


def _fill(
    cursor: CursorWrapper, admin: DatabaseEntry, beside: str, wish: Wish, roles: Roles
) -> None:
    """Roles first; default privileges last, or every restored table would get them on top."""
    provisioning = needed_steps(cursor, plan(cursor.connection, beside, roles), roles)
    _execute(cursor, [step for step in provisioning if not step.in_target])
    owner, admin = owner_entry(admin, beside), DatabaseEntry({**admin, "NAME": beside})
    mighty = left_to_administrator(cursor, wish.backup, roles.owner.name)
    if mighty:
        restore_in_parts(wish.backup, admin, owner, mighty, privileges=wish.privileges)
    else:
        restore_into(wish.backup, owner, privileges=wish.privileges)
    with _cursor(admin) as inside:
        _execute(inside, [step for step in provisioning if step.in_target])
    with acting_on(owner):
        grant_tables(connections[DEFAULT_DB_ALIAS], roles.app.name, roles.auditor.name)


def _execute(cursor: CursorWrapper, provisioning: list[Step]) -> None:
    for step in provisioning:
        # sql-reviewed: the statements are composed in apps/database/roles.py.
        cursor.execute(step.statement)


def _put_in_place(
    cursor: CursorWrapper,
    admin: DatabaseEntry,
    wish: Wish,
    beside: str,
    exists: bool,
    evidence: dict[str, Any],
) -> Outcome:
    if exists and wish.swap:
        old = dated_name(wish.into, "old")
        swap(admin, wish.into, beside, old)
        return Outcome(wish.into, old, evidence)
    name = dated_name(wish.into, "restored") if exists else wish.into
    rename(cursor, beside, name)
    return Outcome(name, None, evidence)


def _read_catalogue_back(outcome: Outcome) -> None:
    """A backup's own rows about backups are older than the backup itself."""
    if outcome.database == settings.DATABASES[DEFAULT_DB_ALIAS]["NAME"]:
        rebuild()


def _roles() -> Roles:
    try:
        return configured_roles()
    except LookupError as error:
        raise Refused(str(error)) from None


@contextmanager
def _cursor(entry: DatabaseEntry) -> Iterator[CursorWrapper]:
    with closing(open_wrapper(entry)) as connection, connection.cursor() as cursor:
        yield cursor
