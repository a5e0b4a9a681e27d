"""No credential lies in the catalog or in a table where somebody can read it.

The server keeps passwords of its roles, of other servers, and those that applications store. Where
the auditor may not look, the answer is *unknown* and names the grant. Nothing that is found is
written down: evidence holds names and numbers only, and values are looked at inside the server.
"""

from collections.abc import Iterator

from django.db.backends.utils import CursorWrapper

from apps.controls.control import CannotSee, Finding, Level, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import sequence, sql
from apps.database.facts.credentials import (
    CredentialColumn,
    Sample,
    counts_of,
    credential_columns,
    foreign_options,
    may_sample,
    names_a_credential,
    sample,
    stored_passwords,
)

# A dump carries grants on the catalog too, and only a superuser can restore those.
DUMPED = "Restore dumps made after that with --no-privileges."
_SEES_HASHES = sql(
    "GRANT SELECT (rolname, rolcanlogin, rolpassword) ON pg_catalog.pg_authid TO scratch_auditor"
)


def _auditor(inspection: Inspection) -> str:
    return str(inspection.target.entries["auditor"]["USER"])


@control(
    "SEC-001.6",
    "Every stored password is a SCRAM verifier",
    specimens=(
        Specimen(
            "a password from before SCRAM",
            plant=sequence(
                _SEES_HASHES,
                sql(
                    "SET password_encryption TO 'md5'",
                    "ALTER ROLE scratch_owner PASSWORD 'planted'",
                ),
            ),
            repair=sql("ALTER ROLE scratch_owner PASSWORD 'planted anew'"),
            # Without a password there is no hash, whatever the setting for new ones says.
            near_miss=sequence(
                _SEES_HASHES,
                sql("ALTER ROLE scratch_owner SET password_encryption TO 'md5'"),
                sql("ALTER ROLE scratch_owner PASSWORD NULL"),
            ),
            subject="scratch_owner",
        ),
    ),
)
def stored_passwords_are_scram(inspection: Inspection) -> Iterator[Finding]:
    found = stored_passwords(inspection.cursor)
    if found is None:
        raise CannotSee(
            "Stored passwords are hidden from this session.",
            "Assess once as a superuser, or: GRANT SELECT (rolname, rolcanlogin, rolpassword) ON "
            f'pg_catalog.pg_authid TO "{_auditor(inspection)}"; {DUMPED}',
        )
    inspection.evidence["kinds"] = {stored.role: stored.kind for stored in found}
    for stored in found:
        if stored.kind != "scram":
            yield Finding(
                Level.ERROR if stored.may_log_in else Level.WARNING,
                "A password is stored as a weak hash",
                stored.role,
                f"The password of {stored.role} is stored as {stored.kind}; whoever reads the hash "
                "can log in with it, or guess the password fast.",
                "SET password_encryption TO 'scram-sha-256'; then, in psql: "
                f'\\password "{stored.role}"',
            )


_PLANTED_SERVER = sql(
    "CREATE FOREIGN DATA WRAPPER planted", "CREATE SERVER planted FOREIGN DATA WRAPPER planted"
)


_MAPPED = "CREATE USER MAPPING FOR scratch_auditor SERVER planted OPTIONS ({})"
_MAY_USE = "GRANT USAGE ON FOREIGN SERVER planted TO scratch_auditor"


@control(
    "SEC-001.7",
    "No foreign server, table or user mapping holds a credential",
    specimens=(
        Specimen(
            "the other server's password in a mapping",
            plant=sequence(
                _PLANTED_SERVER,
                sql(_MAPPED.format("user 'x', password 'planted'"), _MAY_USE),
            ),
            repair=sql(
                "ALTER USER MAPPING FOR scratch_auditor SERVER planted OPTIONS (DROP password)"
            ),
            near_miss=sequence(
                _PLANTED_SERVER,
                sql(
                    _MAPPED.format("user 'x', password_required 'false', passfile '/etc/pgpass'"),
                    _MAY_USE,
                ),
            ),
            subject="planted",
        ),
        Specimen(
            "a token that everybody may read, in a server's options",
            plant=sequence(
                _PLANTED_SERVER, sql("ALTER SERVER planted OPTIONS (ADD api_key 'planted')")
            ),
            repair=sql("ALTER SERVER planted OPTIONS (DROP api_key)"),
            near_miss=sequence(
                _PLANTED_SERVER,
                sql("ALTER SERVER planted OPTIONS (ADD api_key_file '/run/key', ADD token '')"),
            ),
            subject="planted",
        ),
        Specimen(
            "a secret in a foreign table",
            plant=sequence(
                _PLANTED_SERVER,
                sql(
                    "CREATE FOREIGN TABLE public.planted (a int) SERVER planted"
                    " OPTIONS (client_secret 'planted')"
                ),
            ),
            repair=sql("ALTER FOREIGN TABLE public.planted OPTIONS (DROP client_secret)"),
            near_miss=sequence(
                _PLANTED_SERVER,
                sql(
                    "CREATE FOREIGN TABLE public.planted (password text) SERVER planted"
                    " OPTIONS (table_name 'secret')"
                ),
            ),
            subject="public.planted",
        ),
    ),
)
def foreign_options_hold_nothing(inspection: Inspection) -> Iterator[Finding]:
    found = foreign_options(inspection.cursor)
    hidden = [f"{seen.owner} on {seen.name}" for seen in found if seen.options is None]
    told = [
        (seen, option)
        for seen in found
        for option in seen.options or ()
        if names_a_credential(option)
    ]
    inspection.evidence.update(objects=len(found), hidden_mappings=hidden[:20])
    if hidden and not told:
        raise CannotSee(
            f"The options of {len(hidden)} user mappings are hidden, such as {hidden[0]}.",
            "Assess once as a superuser, or: GRANT SELECT ON pg_catalog.pg_user_mapping TO "
            f'"{_auditor(inspection)}"; {DUMPED}',
        )
    for seen, option in told:
        mapping = seen.kind == "USER MAPPING"
        of = f'FOR "{seen.owner}" SERVER "{seen.name}"' if mapping else seen.name
        yield Finding(
            Level.ERROR,
            "A credential of another server lies in the catalog",
            f"{seen.name} ({seen.owner})" if mapping else seen.name,
            f"The {seen.kind.lower()} has the option {option}, in clear; dumps carry it"
            + ("." if mapping else ", and every role of this database may read it."),
            f"ALTER {seen.kind} {of} OPTIONS (DROP {option}); then change that credential, and use "
            "a certificate, a passfile or use_scram_passthrough (PostgreSQL 18).",
        )


_TABLE = "CREATE TABLE public.planted (id int, {} text)"
_AUDITOR_READS = "GRANT SELECT ON public.planted TO scratch_auditor"


@control(
    "SEC-001.8",
    "Columns that are called credentials hold none in clear",
    specimens=(
        Specimen(
            "keys of another service in clear",
            plant=sql(
                _TABLE.format("api_key"),
                "INSERT INTO public.planted VALUES (1, 'planted in clear')",
                _AUDITOR_READS,
            ),
            repair=sql("UPDATE public.planted SET api_key = encode(sha256('planted'), 'hex')"),
            near_miss=sql(
                _TABLE.format("api_key_hint"),
                "INSERT INTO public.planted VALUES (1, 'planted in clear')",
                _AUDITOR_READS,
            ),
            subject="public.planted.api_key",
        ),
        Specimen(
            "one password in clear among hashes, which only app may read",
            plant=sql(
                _TABLE.format("password"),
                "INSERT INTO public.planted SELECT n, 'argon2$argon2id$v=19$' || repeat('h', 60)"
                " FROM generate_series(1, 99) n",
                "INSERT INTO public.planted VALUES (100, 'planted in clear')",
                "GRANT SELECT ON public.planted TO scratch_app",
            ),
            repair=sql("DELETE FROM public.planted WHERE id = 100"),
            near_miss=sql(
                _TABLE.format('"userPassword"'),
                "INSERT INTO public.planted VALUES (1, 'pbkdf2_sha256$9$s$' || repeat('h', 44)),"
                " (2, '!never fits'), (3, NULL), (4, ''), (5, '$2b$12$' || repeat('h', 53)),"
                " (6, 'vault:v1:' || repeat('c', 40)), (7, encode(sha256('x'), 'base64'))",
                "GRANT SELECT ON public.planted TO scratch_app",
            ),
            subject="public.planted.password",
        ),
        Specimen(
            "a key that signs in camel case, of a domain",
            plant=sql(
                "CREATE DOMAIN public.word AS varchar(200)",
                'CREATE TABLE public.planted ("signingKey" public.word)',
                "INSERT INTO public.planted VALUES ('planted in clear')",
                _AUDITOR_READS,
            ),
            repair=sql("UPDATE public.planted SET \"signingKey\" = 'env:SIGNING_KEY'"),
            near_miss=sql(
                'CREATE TABLE public.planted ("sortKey" text, token_type text, secret bigint)',
                "INSERT INTO public.planted VALUES ('in clear', 'bearer', 7)",
                _AUDITOR_READS,
            ),
            subject="public.planted.signingKey",
        ),
    ),
)
def columns_hold_no_credential(inspection: Inspection) -> Iterator[Finding]:
    """By the auditor where it may read, otherwise by app, which may read its own rows."""
    columns = credential_columns(inspection.cursor)
    samples = _sampled(inspection.cursor, columns)
    rest = [column for column in columns if column not in samples]
    if rest and inspection.target.own:
        with inspection.app_connection() as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN READ ONLY")
            cursor.execute("SET LOCAL lock_timeout = '250ms'")
            cursor.execute("SET LOCAL statement_timeout = '5s'")
            samples |= _sampled(cursor, rest)
            cursor.execute("ROLLBACK")
    unseen = [column for column in columns if column not in samples]
    clear = {column: seen for column, seen in samples.items() if seen.in_clear}
    inspection.evidence.update(samples=counts_of(samples), unseen=[str(c) for c in unseen][:20])
    if unseen and not clear:
        first = unseen[0]
        raise CannotSee(
            f"{first} and {len(unseen) - 1} other columns may not be read, or row security hides "
            "rows of them.",
            f'GRANT SELECT ("{first.column}") ON "{first.schema}"."{first.table}" TO '
            f'"{_auditor(inspection)}";',
        )
    for column, seen in clear.items():
        yield Finding(
            Level.ERROR,
            "Credentials lie in clear in a table",
            str(column),
            f"{seen.in_clear} of {seen.values} values that were looked at are no hash, digest or "
            "ciphertext.",
            "Store a hash where it is only compared (django.contrib.auth.hashers.make_password), "
            "ciphertext or a reference where it is used; then change what lay open.",
        )


def _sampled(
    cursor: CursorWrapper, columns: list[CredentialColumn]
) -> dict[CredentialColumn, Sample]:
    return {column: sample(cursor, column) for column in columns if may_sample(cursor, column)}
