"""The three roles: owner has the schema, app has the rows, auditor judges."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import psycopg
from django.apps import apps
from django.apps.config import AppConfig
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Composed, Identifier, Literal

ATTRIBUTES = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
ROWS = "SELECT, INSERT, UPDATE, DELETE"


@dataclass(frozen=True)
class Credential:
    """A role's name and password."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Roles:
    """The three roles of one database, and the time-outs that app carries itself."""

    owner: Credential
    app: Credential
    auditor: Credential
    app_settings: tuple[tuple[str, str], ...] = ()

    def all(self) -> tuple[Credential, Credential, Credential]:
        return (self.owner, self.app, self.auditor)


def provision(admin: psycopg.Connection, database: str, roles: Roles) -> None:
    """Create or repair the roles and the database, and app's right to the rows to come.

    `admin` is an autocommit connection to any database of the server, of a role that may create
    roles and databases. Repeating it changes nothing. Passwords travel as SCRAM verifiers, because
    a failing statement is echoed into the server's log.
    """
    for statement in _role_statements(admin, roles):
        admin.execute(statement)
    exists = admin.execute(
        "SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s", [database]
    ).fetchone()
    if exists is None:
        admin.execute(
            SQL("CREATE DATABASE {} OWNER {}").format(
                Identifier(database), Identifier(roles.owner.name)
            )
        )
    for statement in _database_statements(database, roles):
        admin.execute(statement)
    address = make_conninfo(**admin.info.get_parameters() | {"dbname": database})
    with psycopg.connect(address, password=admin.info.password, autocommit=True) as connection:
        for statement in _schema_statements(roles):
            connection.execute(statement)


def _role_statements(admin: psycopg.Connection, roles: Roles) -> Iterator[SQL | Composed]:
    existing = {row[0] for row in admin.execute("SELECT rolname FROM pg_catalog.pg_roles")}
    for credential in roles.all():
        verifier = admin.pgconn.encrypt_password(
            credential.password.encode(), credential.name.encode(), b"scram-sha-256"
        ).decode()
        verb = "ALTER" if credential.name in existing else "CREATE"
        yield SQL("{} ROLE {} WITH {} PASSWORD {}").format(
            SQL(verb), Identifier(credential.name), SQL(ATTRIBUTES), Literal(verifier)
        )
    if admin.info.parameter_status("is_superuser") != "on":
        # Who is not a superuser must be a member to give away what the owner will own.
        yield SQL("GRANT {} TO CURRENT_USER").format(Identifier(roles.owner.name))
    yield SQL("GRANT pg_monitor TO {}").format(Identifier(roles.auditor.name))
    for name, value in roles.app_settings:
        yield SQL("ALTER ROLE {} SET {} = {}").format(
            Identifier(roles.app.name), Identifier(name), Literal(value)
        )


def _database_statements(database: str, roles: Roles) -> Iterator[SQL | Composed]:
    target = Identifier(database)
    names = SQL(", ").join(Identifier(credential.name) for credential in roles.all())
    yield SQL("ALTER DATABASE {} OWNER TO {}").format(target, Identifier(roles.owner.name))
    yield SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(target)
    yield SQL("GRANT CONNECT ON DATABASE {} TO {}").format(target, names)


def _schema_statements(roles: Roles) -> Iterator[SQL | Composed]:
    owner, app = Identifier(roles.owner.name), Identifier(roles.app.name)
    auditor = Identifier(roles.auditor.name)
    yield SQL("ALTER SCHEMA public OWNER TO {}").format(owner)
    yield SQL("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    yield SQL("GRANT USAGE ON SCHEMA public TO {}, {}").format(app, auditor)
    defaults = SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA public ").format(owner)
    yield defaults + SQL("GRANT {} ON TABLES TO {}").format(SQL(ROWS), app)
    yield defaults + SQL("GRANT USAGE, SELECT ON SEQUENCES TO {}").format(app)


@dataclass(frozen=True)
class TablePrivileges:
    """What app and auditor may do with one table."""

    table: str
    app: str
    auditor: str | None


def table_privileges(configs: Iterable[AppConfig] | None = None) -> list[TablePrivileges]:
    """The privileges on every table of the installed applications, by table name.

    An application's configuration says so with two attributes: `auditor_reads = True` lets the
    auditor read its tables, and `append_only = {table, …}` names the evidence, which only the
    auditor may insert and nobody but the owner may change.
    """
    rights = [TablePrivileges("django_migrations", "SELECT", "SELECT")]
    for config in apps.get_app_configs() if configs is None else configs:
        evidence: set[str] = getattr(config, "append_only", set())
        reads: bool = getattr(config, "auditor_reads", False)
        for model in config.get_models(include_auto_created=True):
            if not model._meta.managed or model._meta.proxy:
                continue
            table = model._meta.db_table
            if table in evidence:
                rights.append(TablePrivileges(table, "SELECT", "SELECT, INSERT"))
            else:
                rights.append(TablePrivileges(table, ROWS, "SELECT" if reads else None))
    return sorted(rights, key=lambda right: right.table)


def grant_tables(connection: BaseDatabaseWrapper, app: str, auditor: str) -> None:
    """Give app and auditor exactly their privileges on the tables that exist; as the owner.

    In one transaction, so that a running service never sees itself without them.
    """
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
        for right in table_privileges():
            if right.table not in present:
                continue
            for role, privileges in ((app, right.app), (auditor, right.auditor)):
                cursor.execute(_revoke(right.table, role))
                if privileges:
                    cursor.execute(_grant(right.table, role, privileges))


def _revoke(table: str, role: str) -> Composed:
    return SQL("REVOKE ALL ON TABLE {} FROM {}").format(Identifier(table), Identifier(role))


def _grant(table: str, role: str, privileges: str) -> Composed:
    return SQL("GRANT {} ON TABLE {} TO {}").format(
        SQL(privileges), Identifier(table), Identifier(role)
    )


def role_names(connection: BaseDatabaseWrapper, wanted: Iterable[str]) -> set[str]:
    """Which of the wanted names are roles of the server."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY(%s)", [list(wanted)]
        )
        return {row[0] for row in cursor.fetchall()}
