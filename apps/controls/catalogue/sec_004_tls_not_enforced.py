"""Every byte between the service and its database is encrypted, and the server proves who it is.

Over a local Unix socket there is no network to protect: there these controls do not apply, which is
neither a pass nor a failure.
"""

from collections.abc import Iterator

from django.conf import settings

from apps.controls.control import (
    CannotSee,
    Finding,
    Inapplicable,
    Kind,
    Level,
    NotApplicable,
    Scope,
    Specimen,
    control,
)
from apps.controls.inspection import Inspection, sees_monitoring
from apps.controls.planting import (
    configure,
    end_sessions,
    environment,
    hba,
    nothing,
    open_session,
    sequence,
)
from apps.database.facts.plaintext import plaintext_refusal
from apps.database.facts.server import setting
from apps.database.facts.sessions import clear_sessions, own_tls
from config.database import SSLMODES, is_socket

STRONG_VERSIONS = ("TLSv1.2", "TLSv1.3")
LOCAL = {"local_socket": "The server is reached through a local Unix socket; TLS does not exist."}
REFUSED = "28000"
_OVER_SOCKET = Inapplicable("over a local socket", "local_socket", nothing)

_TLS_ONLY = ("local all all scram-sha-256", "hostssl all all 127.0.0.1/32 scram-sha-256")
_CLEAR_TOO = ("local all all scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256")
_CLEAR_ELSEWHERE = (*_TLS_ONLY, "hostnossl template1 all 127.0.0.1/32 scram-sha-256")


@control(
    "SEC-004.1",
    "The session of the assessment is encrypted",
    not_applicable=LOCAL,
    inapplicable=(_OVER_SOCKET,),
    specimens=(
        Specimen(
            "the server fell back to clear text",
            plant=sequence(hba(*_CLEAR_TOO), configure(ssl="off")),
            repair=configure(ssl="on"),
            near_miss=configure(ssl_max_protocol_version="TLSv1.2"),
            subject="session",
            needs="tls",
        ),
    ),
)
def session_is_encrypted(inspection: Inspection) -> Iterator[Finding]:
    if inspection.over_socket:
        raise NotApplicable("local_socket")
    tls = own_tls(inspection.cursor)
    inspection.evidence.update(
        encrypted=tls.encrypted, version=tls.version, cipher=tls.cipher, bits=tls.bits
    )
    if not tls.encrypted:
        detail = "This session, with the same server as the service, is in clear text."
    elif tls.version not in STRONG_VERSIONS:
        detail = f"This session uses {tls.version}; expected {' or '.join(STRONG_VERSIONS)}."
    else:
        return
    yield Finding(
        Level.ERROR,
        "The connection is not safely encrypted",
        "session",
        detail,
        "Set ssl = on on the server, and sslmode=verify-full in DATABASE_URL.",
    )


@control(
    "SEC-004.2",
    "The service's address demands a proven server",
    scope=Scope.APPLICATION,
    not_applicable=LOCAL,
    inapplicable=(_OVER_SOCKET,),
    specimens=(
        Specimen(
            "encrypts when it can, and asks nobody who they are",
            plant=environment(DATABASE_URL="{scratch.prefer_address}"),
            repair=environment(DATABASE_URL="{scratch.verified_address}"),
            near_miss=environment(
                DATABASE_URL="{scratch.authority_address}", DATABASE_SSLMODE_MINIMUM="verify-ca"
            ),
            subject="DATABASE_URL",
            needs="tls",
            peer=True,
        ),
    ),
)
def address_demands_proof(inspection: Inspection) -> Iterator[Finding]:
    entry = inspection.target.entries["app"]
    if is_socket(entry):
        raise NotApplicable("local_socket")
    mode = str(entry["OPTIONS"].get("sslmode", "prefer"))
    minimum = settings.DATABASE_SSLMODE_MINIMUM
    inspection.evidence.update(sslmode=mode, minimum=minimum)
    if SSLMODES.index(mode) < SSLMODES.index(minimum):
        yield Finding(
            Level.ERROR,
            "The service would talk to an unproven server",
            "DATABASE_URL",
            f"sslmode is {mode}; expected at least {minimum}.",
            "Add ?sslmode=verify-full&sslrootcert=FILE to DATABASE_URL.",
        )


@control(
    "SEC-004.3",
    "No session crosses the network in clear text",
    sees=(sees_monitoring,),
    not_applicable={"no_network": "The server listens on no network address."},
    inapplicable=(Inapplicable("listens on a socket only", "no_network", nothing),),
    specimens=(
        Specimen(
            "a session in clear text",
            plant=sequence(hba(*_CLEAR_TOO), open_session("owner", sslmode="disable")),
            repair=end_sessions,
            near_miss=sequence(hba(*_CLEAR_TOO), open_session("owner", sslmode="require")),
            subject="127.0.0.1",
            needs="tls",
        ),
    ),
)
def no_session_in_clear(inspection: Inspection) -> Iterator[Finding]:
    if not setting(inspection.cursor, "listen_addresses"):
        raise NotApplicable("no_network")
    sessions = clear_sessions(inspection.cursor)
    inspection.evidence["sessions_in_clear"] = len(sessions)
    for session in sessions:
        yield Finding(
            Level.ERROR,
            "A session is in clear text",
            session.address,
            f"Session {session.pid} of {session.role} from {session.address} is not encrypted.",
            "Write hostssl instead of host in pg_hba.conf, then SELECT pg_reload_conf();",
        )


@control(
    "SEC-004.4",
    "The server refuses a plaintext attempt",
    kind=Kind.ACTIVE,
    not_applicable=LOCAL,
    inapplicable=(_OVER_SOCKET,),
    specimens=(
        Specimen(
            "pg_hba.conf lets clear text in",
            plant=hba(*_CLEAR_TOO),
            repair=hba(*_TLS_ONLY),
            near_miss=hba(*_CLEAR_ELSEWHERE),
            subject="pg_hba.conf",
            needs="tls",
        ),
    ),
)
def plaintext_is_refused(inspection: Inspection) -> Iterator[Finding]:
    entry = inspection.target.entries["app"]
    if is_socket(entry):
        raise NotApplicable("local_socket")
    state = plaintext_refusal(entry)
    inspection.evidence["sqlstate"] = state
    if state not in (None, REFUSED):
        raise CannotSee(f"The plaintext attempt ended with SQLSTATE {state}, not {REFUSED}.")
    if state is None:
        yield Finding(
            Level.ERROR,
            "The server talks in clear text",
            "pg_hba.conf",
            f"The server asked {entry['USER']} for a password over an unencrypted connection.",
            "Write hostssl instead of host in pg_hba.conf, then SELECT pg_reload_conf();",
        )
