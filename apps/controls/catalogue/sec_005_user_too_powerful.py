"""The role that the service uses can do no more than read and write rows.

Whoever takes over the web process has the app role's powers. Holdfast gives it rows and nothing
else: the owner has the schema, the auditor has the evidence. These controls look at what the
server would allow, and then try the forbidden as the app role itself.
"""

from collections.abc import Iterator

from apps.controls.control import CannotSee, Finding, Kind, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import sql
from apps.database.facts.roles import (
    grantees,
    memberships,
    owned_objects,
    places_to_create,
    role_attributes,
    table_rights,
)
from apps.database.roles import table_privileges
from config.commands import manage

POWERS = {
    "superuser": "SUPERUSER",
    "create_database": "CREATEDB",
    "create_role": "CREATEROLE",
    "bypass_row_security": "BYPASSRLS",
    "replication": "REPLICATION",
}
DENIED = "42501"
WRITES = ("insert", "update", "delete", "truncate")


@control(
    "SEC-005.1",
    "The app role has no power over the server",
    specimens=(
        Specimen(
            "superuser",
            plant=sql("ALTER ROLE scratch_app SUPERUSER"),
            repair=sql("ALTER ROLE scratch_app NOSUPERUSER"),
            near_miss=sql("ALTER ROLE scratch_app CONNECTION LIMIT 50"),
            subject="scratch_app",
        ),
        Specimen(
            "creates roles and databases, passes by row security",
            plant=sql("ALTER ROLE scratch_app CREATEDB CREATEROLE BYPASSRLS REPLICATION"),
            repair=sql("ALTER ROLE scratch_app NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION"),
            near_miss=sql("ALTER ROLE scratch_owner CREATEDB"),
            subject="scratch_app",
        ),
        Specimen(
            "member of a role that reads the server's files",
            plant=sql("GRANT pg_read_server_files TO scratch_app"),
            repair=sql("REVOKE pg_read_server_files FROM scratch_app"),
            near_miss=sql(
                "DO $$ BEGIN CREATE ROLE scratch_readers NOLOGIN;"
                " EXCEPTION WHEN duplicate_object THEN NULL; END $$",
                "GRANT scratch_readers TO scratch_app",
            ),
            subject="scratch_app",
        ),
        Specimen(
            "member of the role that owns the tables",
            plant=sql("GRANT scratch_owner TO scratch_app"),
            repair=sql("REVOKE scratch_owner FROM scratch_app"),
            near_miss=sql("GRANT scratch_app TO scratch_owner"),
            subject="scratch_app",
        ),
    ),
)
def no_power_over_the_server(inspection: Inspection) -> Iterator[Finding]:
    role = inspection.app_role
    attributes = role_attributes(inspection.cursor, role)
    if attributes is None:
        raise CannotSee(f"The server has no role {role}.")
    held = [word for name, word in POWERS.items() if getattr(attributes, name)]
    belongs = memberships(inspection.cursor, role)
    inspection.evidence.update(role=role, powers=held, member_of=belongs)
    for word in held:
        yield Finding(
            Level.ERROR,
            "The app role has a power over the server",
            role,
            f"{role} has {word}.",
            f'ALTER ROLE "{role}" NO{word};',
        )
    for group in belongs:
        inherited = role_attributes(inspection.cursor, group)
        powerful = inherited is not None and any(getattr(inherited, name) for name in POWERS)
        if group.startswith("pg_") or powerful or owned_objects(inspection.cursor, group):
            yield Finding(
                Level.ERROR,
                "The app role belongs to a powerful role",
                role,
                f"{role} is a member of {group}.",
                f'REVOKE "{group}" FROM "{role}";',
            )


@control(
    "SEC-005.2",
    "The app role owns nothing and can create nothing",
    specimens=(
        Specimen(
            "may create in schema public",
            plant=sql("GRANT CREATE ON SCHEMA public TO scratch_app"),
            repair=sql("REVOKE CREATE ON SCHEMA public FROM scratch_app"),
            near_miss=sql("GRANT CREATE ON SCHEMA public TO scratch_owner"),
            subject="schema public",
        ),
        Specimen(
            "owns a table",
            plant=sql("CREATE TABLE public.planted ()", "ALTER TABLE planted OWNER TO scratch_app"),
            repair=sql("ALTER TABLE public.planted OWNER TO scratch_owner"),
            near_miss=sql(
                "CREATE TABLE public.planted ()", "GRANT ALL ON public.planted TO scratch_app"
            ),
            subject="public.planted",
        ),
    ),
)
def owns_and_creates_nothing(inspection: Inspection) -> Iterator[Finding]:
    role = inspection.app_role
    if role_attributes(inspection.cursor, role) is None:
        raise CannotSee(f"The server has no role {role}.")
    owned = owned_objects(inspection.cursor, role)
    places = places_to_create(inspection.cursor, role)
    inspection.evidence.update(role=role, owns=owned[:50], may_create_in=places)
    for thing in owned:
        name = thing.partition(" ")[2]
        yield Finding(
            Level.ERROR,
            "The app role owns an object",
            name,
            f"{role} owns the {thing}, so it can drop or change it.",
            f"Give the service a role of its own: {manage('provision_roles --commit')}",
        )
    for place in places:
        yield Finding(
            Level.ERROR,
            "The app role may create objects",
            place,
            f"{role} may create in {place}.",
            f'REVOKE CREATE ON {place.upper().split()[0]} {place.split()[1]} FROM "{role}";',
        )


def _records() -> dict[str, set[str]]:
    """The tables that app only reads, by name, each with the rights that the auditor has there."""
    return {
        right.table: set((right.auditor or "").lower().split(", "))
        for right in table_privileges()
        if right.app == "SELECT"
    }


@control(
    "SEC-005.3",
    "Only the auditor adds evidence, only the owner writes records, and nobody else changes them",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "app may insert verdicts",
            plant=sql("GRANT INSERT ON controls_verdict TO scratch_app"),
            repair=sql("REVOKE INSERT ON controls_verdict FROM scratch_app"),
            near_miss=sql("GRANT SELECT ON controls_verdict TO scratch_app"),
            subject="public.controls_verdict",
        ),
        Specimen(
            "auditor may delete assessments",
            plant=sql("GRANT DELETE ON controls_assessment TO scratch_auditor"),
            repair=sql("REVOKE DELETE ON controls_assessment FROM scratch_auditor"),
            near_miss=sql("GRANT INSERT ON controls_assessment TO scratch_auditor"),
            subject="public.controls_assessment",
        ),
        Specimen(
            "everybody may update verdicts",
            plant=sql("GRANT UPDATE ON controls_verdict TO PUBLIC"),
            repair=sql("REVOKE UPDATE ON controls_verdict FROM PUBLIC"),
            near_miss=sql("GRANT UPDATE ON controls_verdict TO scratch_owner"),
            subject="public.controls_verdict",
        ),
        Specimen(
            "app may make up a rehearsal",
            plant=sql("GRANT INSERT ON schema_rehearsal TO scratch_app"),
            repair=sql("REVOKE INSERT ON schema_rehearsal FROM scratch_app"),
            near_miss=sql("GRANT SELECT ON schema_rehearsal TO scratch_app"),
            subject="public.schema_rehearsal",
        ),
        Specimen(
            "auditor may add a verification of a backup",
            plant=sql("GRANT INSERT ON backups_verificationrow TO scratch_auditor"),
            repair=sql("REVOKE INSERT ON backups_verificationrow FROM scratch_auditor"),
            near_miss=sql("GRANT INSERT ON backups_verificationrow TO scratch_owner"),
            subject="public.backups_verificationrow",
        ),
        Specimen(
            "app may forget a migration",
            plant=sql("GRANT DELETE ON django_migrations TO scratch_app"),
            repair=sql("REVOKE DELETE ON django_migrations FROM scratch_app"),
            near_miss=sql("GRANT DELETE ON risks_profile TO scratch_app"),
            subject="public.django_migrations",
        ),
    ),
)
def evidence_is_append_only(inspection: Inspection) -> Iterator[Finding]:
    auditor = str(inspection.target.entries["auditor"]["USER"])
    records = _records()
    seen: dict[str, dict[str, list[str]]] = {}
    # The others too: whoever judges need not be the role that adds the evidence.
    others = set(grantees(inspection.cursor, list(records))) - {inspection.app_role, auditor}
    for role in dict.fromkeys((inspection.app_role, auditor, *sorted(others))):
        rights = table_rights(inspection.cursor, role, list(records))
        if len(rights) < len(records):
            raise CannotSee("Not all records have a table yet.", f"Run: {manage('migrate')}")
        for right in rights:
            # With one role for both, nothing keeps the web process from the evidence.
            allowed = {"select"} if role == inspection.app_role else records[right.table]
            held = [word for word in WRITES if word not in allowed and getattr(right, word)]
            seen.setdefault(right.table, {})[role] = held
            for word in held:
                yield Finding(
                    Level.ERROR,
                    "Evidence or a record can be changed or made up",
                    f"public.{right.table}",
                    f"{role} may {word.upper()}.",
                    f'REVOKE {word.upper()} ON TABLE public.{right.table} FROM "{role}", PUBLIC;',
                )
    inspection.evidence["beyond_append"] = seen


# What is tried, and what it would mean if it passed.
FORBIDDEN = (
    ("CREATE TABLE public.holdfast_denial_proof ()", "schema public", "create a table"),
    ("CREATE ROLE holdfast_denial_proof", "server", "create a role"),
    ("SELECT pg_catalog.pg_read_file('PG_VERSION')", "server", "read the server's files"),
    ("COPY (SELECT 1) TO PROGRAM 'true'", "server", "run a program on the server"),
    ("TRUNCATE TABLE django_migrations", "public.django_migrations", "empty a table"),
    ("CREATE SCHEMA holdfast_denial_proof", "database", "create a schema"),
    ("DELETE FROM controls_verdict WHERE false", "public.controls_verdict", "delete evidence"),
)


@control(
    "SEC-005.4",
    "The forbidden is refused when the app role tries it",
    kind=Kind.ACTIVE,
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "may create a table",
            plant=sql("GRANT CREATE ON SCHEMA public TO scratch_app"),
            repair=sql("REVOKE CREATE ON SCHEMA public FROM scratch_app"),
            near_miss=sql("GRANT USAGE ON SCHEMA public TO scratch_app"),
            subject="schema public",
        ),
        Specimen(
            "may empty the record of migrations",
            plant=sql("GRANT TRUNCATE ON django_migrations TO scratch_app"),
            repair=sql("REVOKE TRUNCATE ON django_migrations FROM scratch_app"),
            near_miss=sql("GRANT SELECT ON django_migrations TO scratch_app"),
            subject="public.django_migrations",
        ),
        Specimen(
            "may create a schema",
            plant=sql("GRANT CREATE ON DATABASE holdfast_scratch TO scratch_app"),
            repair=sql("REVOKE CREATE ON DATABASE holdfast_scratch FROM scratch_app"),
            near_miss=sql("GRANT CREATE ON DATABASE holdfast_scratch TO scratch_owner"),
            subject="database",
        ),
        Specimen(
            "may delete evidence",
            plant=sql("GRANT DELETE ON controls_verdict TO scratch_app"),
            repair=sql("REVOKE DELETE ON controls_verdict FROM scratch_app"),
            near_miss=sql("GRANT DELETE ON risks_profile TO scratch_app"),
            subject="public.controls_verdict",
        ),
        Specimen(
            "may do what it likes to the server",
            plant=sql("ALTER ROLE scratch_app SUPERUSER"),
            repair=sql("ALTER ROLE scratch_app NOSUPERUSER"),
            near_miss=sql("ALTER ROLE scratch_owner SUPERUSER"),
            subject="server",
        ),
    ),
)
def forbidden_is_refused(inspection: Inspection) -> Iterator[Finding]:
    answers = {words: inspection.attempt(statement) for statement, _, words in FORBIDDEN}
    inspection.evidence["sqlstates"] = {words: s or "passed" for words, s in answers.items()}
    odd = {words: state for words, state in answers.items() if state not in (DENIED, None)}
    if odd and None not in answers.values():
        # Refused for another reason proves nothing about privileges.
        words, state = next(iter(odd.items()))
        raise CannotSee(f"Trying to {words} ended with SQLSTATE {state or '(none)'}.")
    for _, subject, words in FORBIDDEN:
        if answers[words] is None:
            yield Finding(
                Level.ERROR,
                "The app role did what it must not",
                subject,
                f"{inspection.app_role} could {words}.",
                f"Repair the roles: {manage('provision_roles --commit')}",
            )
