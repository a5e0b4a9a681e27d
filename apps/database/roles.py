"""The three roles: owner has the schema, app has the rows, auditor judges."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import psycopg
from django.apps import apps
from django.apps.config import AppConfig
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Composed, Identifier, Literal

from apps.database.facts.sequences import own_sequences
from apps.database.scram import proves
from config.variables import prefix_of

ATTRIBUTES = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
ROWS = "SELECT, INSERT, UPDATE, DELETE"


@dataclass(frozen=True)
class Credential:
    """A role's name and password."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Roles:
    """The three roles of one database, and the session settings that app carries itself."""

    owner: Credential
    app: Credential
    auditor: Credential
    app_settings: tuple[tuple[str, str], ...] = ()

    def all(self) -> tuple[Credential, Credential, Credential]:
        return (self.owner, self.app, self.auditor)


@dataclass(frozen=True)
class Step:
    """One statement of the provisioning; in the server's first database, or in the target.

    One `of_roles` makes or repairs what belongs to the server, and not to the database.
    """

    statement: SQL | Composed
    in_target: bool = False
    of_roles: bool = False

    def shown(self, admin: psycopg.Connection) -> str:
        """The statement as text, its verifier hidden: a verifier serves to guess the password."""
        return re.sub(r"PASSWORD '[^']*'", "PASSWORD '********'", self.statement.as_string(admin))


def plan(admin: psycopg.Connection, database: str, roles: Roles) -> list[Step]:
    """The steps that create or repair the roles, the database and app's right to rows to come.

    `admin` is an autocommit connection to any database of the server, of a role that may create
    roles and databases. Passwords travel as SCRAM verifiers, because a failing statement is echoed
    into the server's log.
    """
    steps = [Step(statement, of_roles=True) for statement in _role_statements(admin, roles)]
    exists = admin.execute(
        "SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s", [database]
    ).fetchone()
    if exists is None:
        create = SQL("CREATE DATABASE {} OWNER {}")
        steps.append(Step(create.format(Identifier(database), Identifier(roles.owner.name))))
    steps += [Step(statement) for statement in _database_statements(database, roles)]
    return steps + [Step(statement, in_target=True) for statement in _schema_statements(roles)]


def provision(admin: psycopg.Connection, database: str, roles: Roles) -> list[Step]:
    """Carry the plan out; repeating it changes nothing. Returns the steps."""
    steps = plan(admin, database, roles)
    for step in steps:
        if not step.in_target:
            admin.execute(step.statement)
    address = make_conninfo(**admin.info.get_parameters() | {"dbname": database})
    with psycopg.connect(address, password=admin.info.password, autocommit=True) as connection:
        for step in steps:
            if step.in_target:
                connection.execute(step.statement)
    return steps


def _role_statements(admin: psycopg.Connection, roles: Roles) -> Iterator[SQL | Composed]:
    existing = {row[0] for row in admin.execute("SELECT rolname FROM pg_catalog.pg_roles")}
    kept = _verifiers(admin)
    for credential in roles.all():
        verb = "ALTER" if credential.name in existing else "CREATE"
        statement = SQL("{} ROLE {} WITH {}").format(
            SQL(verb), Identifier(credential.name), SQL(ATTRIBUTES)
        )
        # Another verifier of the same password would shut PgBouncer out, which has a copy of it.
        if not proves(kept.get(credential.name), credential.password):
            verifier = admin.pgconn.encrypt_password(
                credential.password.encode(), credential.name.encode(), b"scram-sha-256"
            ).decode()
            statement += SQL(" PASSWORD {}").format(Literal(verifier))
        yield statement
    if admin.info.parameter_status("is_superuser") != "on":
        # Who is not a superuser must be a member to give away what the owner will own.
        yield SQL("GRANT {} TO CURRENT_USER").format(Identifier(roles.owner.name))
    for group, member in _memberships(admin, [roles.app.name, roles.auditor.name]):
        yield SQL("REVOKE {} FROM {}").format(Identifier(group), Identifier(member))
    yield SQL("GRANT pg_monitor TO {}").format(Identifier(roles.auditor.name))
    for name, value in roles.app_settings:
        yield SQL("ALTER ROLE {} SET {} = {}").format(
            Identifier(roles.app.name), Identifier(name), Literal(value)
        )


def _verifiers(admin: psycopg.Connection) -> dict[str, str | None]:
    """What the server keeps of the roles' passwords, which it shows to superusers only."""
    if admin.info.parameter_status("is_superuser") != "on":
        return {}
    return dict(admin.execute("SELECT rolname, rolpassword FROM pg_catalog.pg_authid").fetchall())


def _memberships(admin: psycopg.Connection, members: list[str]) -> list[tuple[str, str]]:
    """Groups and members, other than the auditor's own, that these roles should not be in."""
    rows = admin.execute(
        """
        SELECT g.rolname, r.rolname FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
        JOIN pg_catalog.pg_roles r ON r.oid = m.member
        WHERE r.rolname = ANY(%s) AND g.rolname <> 'pg_monitor' ORDER BY 1, 2
        """,
        [members],
    )
    return [(group, member) for group, member in rows]


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
    yield SQL("REVOKE ALL ON SCHEMA public FROM PUBLIC, {}, {}").format(app, auditor)
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

    An application's configuration says so with three attributes: `auditor_reads = True` lets the
    auditor read its tables, `append_only = {table, …}` names the evidence, which only the auditor
    may insert and nobody but the owner may change, and `owner_writes = {table, …}` names what app
    only reads.
    """
    rights = [TablePrivileges("django_migrations", "SELECT", "SELECT")]
    for config in apps.get_app_configs() if configs is None else configs:
        evidence: set[str] = getattr(config, "append_only", set())
        owners: set[str] = getattr(config, "owner_writes", set())
        reads: bool = getattr(config, "auditor_reads", False)
        for model in config.get_models(include_auto_created=True):
            table = model._meta.db_table
            # A library may make its tables by SQL; what we say of them holds all the same.
            named = table in evidence | owners
            if model._meta.proxy or not (model._meta.managed or named):
                continue
            if table in evidence:
                rights.append(TablePrivileges(table, "SELECT", "SELECT, INSERT"))
            else:
                app = "SELECT" if table in owners else ROWS
                rights.append(TablePrivileges(table, app, "SELECT" if reads else None))
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
        sequences = [Identifier(*name) for name in own_sequences(cursor)]
        if sequences:
            # pg_monitor does not show how far a sequence has come.
            names = SQL(", ").join(sequences)
            cursor.execute(
                SQL("GRANT SELECT ON SEQUENCE {} TO {}").format(names, Identifier(auditor))
            )


def _revoke(table: str, role: str) -> Composed:
    return SQL("REVOKE ALL ON TABLE {} FROM {}").format(Identifier(table), Identifier(role))


def _grant(table: str, role: str, privileges: str) -> Composed:
    return SQL("GRANT {} ON TABLE {} TO {}").format(
        # sql-reviewed: table_privileges() has the words, and nothing of them comes from outside
        SQL(privileges),
        Identifier(table),
        Identifier(role),
    )


def role_names(connection: BaseDatabaseWrapper, wanted: Iterable[str]) -> set[str]:
    """Which of the wanted names are roles of the server."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY(%s)", [list(wanted)]
        )
        return {row[0] for row in cursor.fetchall()}


def configured_roles() -> Roles:
    """The three roles as the environment names them; a LookupError names what is missing."""
    entries = {"app": settings.DATABASES[DEFAULT_DB_ALIAS], **settings.DATABASE_ROLES}
    missing = [prefix_of(role) for role in ("owner", "auditor") if role not in entries]
    if missing:
        raise LookupError(f"{missing[0]}_URL is not set; the three roles need an address each.")
    names = {role: str(entries[role]["USER"]) for role in ("owner", "app", "auditor")}
    if len(set(names.values())) < 3:
        raise LookupError(f"The three roles need three names; found {', '.join(names.values())}.")
    owner, app, auditor = (
        Credential(str(entries[role]["USER"]), str(entries[role]["PASSWORD"])) for role in names
    )
    return Roles(owner, app, auditor, app_settings=settings.DATABASE_APP_SETTINGS)
