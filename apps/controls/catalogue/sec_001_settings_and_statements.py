"""No credential stands in a setting, nor in a statement that the server keeps.

Settings of the server are shown to every monitoring role, those of a role or a database to
everybody. Statements that are counted stay until somebody resets the counts.
"""

from base64 import b64encode
from collections.abc import Iterator

from apps.controls.control import CannotSee, Finding, Level, Specimen, control
from apps.controls.inspection import Inspection, sees_monitoring
from apps.controls.planting import configure, restarted, sequence, sql
from apps.database.facts.credentials import KEPT_STATEMENT, telling_settings
from apps.database.facts.watching import LIBRARY, statement_statistics, telling_statements

# What is sent where a password is set carefully: a verifier, of no password at all.
_KEY = b64encode(bytes(32)).decode()
_VERIFIER = f"SCRAM-SHA-256$4096:{b64encode(bytes(16)).decode()}${_KEY}:{_KEY}"


@control(
    "SEC-001.9",
    "No setting of the server, a role or the database holds a credential",
    sees=(sees_monitoring,),
    specimens=(
        Specimen(
            "the standby's password in its address",
            plant=configure(primary_conninfo="host=db user=standby password=planted"),
            repair=configure(primary_conninfo="host=db user=standby passfile=/etc/pgpass"),
            near_miss=configure(primary_conninfo="host=db user=password_keeper"),
            subject="primary_conninfo",
        ),
        Specimen(
            "the store's key in the restore command",
            plant=configure(restore_command="AWS_SECRET_ACCESS_KEY=planted fetch %f %p"),
            repair=configure(restore_command="fetch --profile standby %f %p"),
            near_miss=configure(
                restore_command="PGPASSFILE=/etc/pgpass PGPASSWORD=$(cat /run/key) fetch %f %p"
            ),
            subject="restore_command",
        ),
        Specimen(
            "an address with a password",
            plant=configure(archive_cleanup_command="clean postgresql://me:planted@db/x %r"),
            repair=configure(archive_cleanup_command="clean postgresql://me@db/x %r"),
            near_miss=configure(archive_cleanup_command="clean postgresql://me:$SECRET@db/x %r"),
            subject="archive_cleanup_command",
        ),
        Specimen(
            "a signing key as a role's setting, which everybody may read",
            plant=sql("ALTER ROLE scratch_app SET service.jwt_secret = 'planted'"),
            repair=sql("ALTER ROLE scratch_app RESET service.jwt_secret"),
            near_miss=sql(
                "ALTER ROLE scratch_app SET service.token_lifetime = '3600'",
                "ALTER DATABASE holdfast_scratch SET password_encryption TO 'scram-sha-256'",
            ),
            subject="service.jwt_secret",
        ),
    ),
)
def settings_hold_no_credential(inspection: Inspection) -> Iterator[Finding]:
    found, looked_at = telling_settings(inspection.cursor)
    inspection.evidence["settings"] = looked_at
    for told in found:
        yield Finding(
            Level.ERROR,
            "A setting holds a credential",
            told.name if told.where == "server" else f"{told.name} of {told.where}",
            f"{told.name} ({told.where}) carries one in clear.",
            "Change that credential; then name a file that holds it, such as passfile= in a "
            "connection string, or a variable of the process.",
        )


_COUNTED = sequence(
    restarted(shared_preload_libraries=LIBRARY),
    sql(f"CREATE EXTENSION {LIBRARY}", f"SELECT {LIBRARY}_reset()"),
)


@control(
    "SEC-001.10",
    "No kept statement shows a credential",
    sees=(sees_monitoring,),
    specimens=(
        Specimen(
            "a password in ALTER ROLE",
            plant=sequence(
                _COUNTED,
                sql("ALTER ROLE scratch_owner PASSWORD 'planted'"),
            ),
            repair=sql(f"SELECT {LIBRARY}_reset()"),
            near_miss=sequence(
                _COUNTED,
                sql(
                    "ALTER ROLE scratch_owner PASSWORD NULL",
                    "SELECT 'no password' AS password",
                    f"ALTER ROLE scratch_owner PASSWORD '{_VERIFIER}'",
                ),
            ),
            subject="statement",
        ),
    ),
)
def kept_statements_hold_no_credential(inspection: Inspection) -> Iterator[Finding]:
    """Where nothing keeps statements there is nothing to read, and the control passes."""
    seen = statement_statistics(inspection.cursor)
    inspection.evidence.update(kept=seen.loaded, schema=seen.schema)
    if not seen.loaded:
        return
    if seen.schema is None:
        raise CannotSee(
            f"{LIBRARY} keeps statements, and this database has no view of them.",
            f"CREATE EXTENSION {LIBRARY};",
        )
    found = telling_statements(inspection.cursor, seen.schema, KEPT_STATEMENT)
    inspection.evidence["statements"] = len(found)
    for statement in found:
        yield Finding(
            Level.ERROR,
            "A kept statement shows a credential",
            f"statement {statement.identifier} of {statement.role}",
            f"{LIBRARY} keeps a statement of {statement.role} with one in it.",
            "Change that password, then SELECT "
            f"{seen.schema}.{LIBRARY}_reset(0, 0, {statement.identifier}); set passwords with "
            "\\password of psql, which sends a verifier.",
        )
