"""Every byte between the service and its database is encrypted, and the server proves who it is.

Over a local Unix socket there is no network to protect: there these controls do not apply, which is
neither a pass nor a failure.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

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
    certificate,
    configure,
    end_sessions,
    environment,
    hba,
    nothing,
    open_session,
    sequence,
)
from apps.database.facts.certificate import Certificate, server_certificate
from apps.database.facts.plaintext import plaintext_refusal
from apps.database.facts.server import setting
from apps.database.facts.sessions import clear_sessions, own_tls
from apps.database.facts.wire import address_of
from config.database import SSLMODES, is_socket, speaks_clear

STRONG_VERSIONS = ("TLSv1.2", "TLSv1.3")
# A fortnight: who renews by hand gets a holiday over it, and automatic ones renew at thirty days.
DAYS_LEFT = 14
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
        Specimen(
            "a host that is excepted from TLS",
            plant=environment(
                DATABASE_URL="{scratch.plain_address}", DATABASE_PLAINTEXT_HOST="localhost"
            ),
            repair=environment(
                DATABASE_URL="{scratch.verified_address}", DATABASE_PLAINTEXT_HOST=""
            ),
            near_miss=environment(
                DATABASE_URL="{scratch.verified_address}", DATABASE_PLAINTEXT_HOST="localhost"
            ),
            subject="DATABASE_PLAINTEXT_HOST",
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
    exception = settings.DATABASE_PLAINTEXT_HOST
    inspection.evidence.update(sslmode=mode, minimum=minimum, plaintext_host=exception)
    if speaks_clear(entry) and str(entry["HOST"]).lower() == exception:
        yield Finding(
            Level.ERROR,
            "The service talks in clear text, by explicit exception",
            "DATABASE_PLAINTEXT_HOST",
            f"DATABASE_PLAINTEXT_HOST excepts {exception} from TLS, and sslmode is {mode}.",
            "Turn TLS on at the server and remove DATABASE_PLAINTEXT_HOST, or have the risk "
            "accepted in the register until a date.",
        )
    elif SSLMODES.index(mode) < SSLMODES.index(minimum):
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
    entry = inspection.service_address
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


def _certificate(inspection: Inspection) -> Certificate:
    """What the server of the service's address shows, written into the evidence."""
    entry = inspection.service_address
    if is_socket(entry):
        raise NotApplicable("local_socket")
    seen = server_certificate(address_of(entry))
    inspection.evidence.update(
        host=entry["HOST"],
        version=seen.version,
        cipher=seen.cipher,
        bits=seen.bits,
        subject=seen.subject,
        names=list(seen.names),
        issuer=seen.issuer,
        not_before=seen.not_before.isoformat(),
        not_after=seen.not_after.isoformat(),
        days=seen.days_left(datetime.now(UTC)),
    )
    return seen


@control(
    "SEC-004.5",
    "The server's certificate is valid for another fortnight",
    not_applicable=LOCAL,
    inapplicable=(_OVER_SOCKET,),
    specimens=(
        Specimen(
            "a certificate that expires too soon",
            plant=certificate(days=DAYS_LEFT - 1),
            repair=certificate(),
            near_miss=certificate(days=DAYS_LEFT),
            subject="certificate of localhost",
            needs="tls",
        ),
        Specimen(
            "an expired certificate",
            plant=certificate(days=-1),
            repair=certificate(),
            near_miss=certificate(days=DAYS_LEFT + 1, subject="expired"),
            subject="certificate of localhost",
            needs="tls",
        ),
        Specimen(
            "a certificate that is not valid yet",
            plant=certificate(begins=1),
            repair=certificate(),
            near_miss=certificate(begins=0),
            subject="certificate of localhost",
            needs="tls",
        ),
    ),
)
def certificate_lasts(inspection: Inspection) -> Iterator[Finding]:
    seen, now = _certificate(inspection), datetime.now(UTC)
    if seen.not_before <= now and seen.days_left(now) >= DAYS_LEFT:
        return
    if seen.not_before > now:
        detail = f"It is valid from {seen.not_before:%Y-%m-%d %H:%M} UTC only."
    elif seen.not_after < now:
        detail = f"It expired on {seen.not_after:%Y-%m-%d}; who verifies cannot connect any more."
    else:
        detail = (
            f"It expires on {seen.not_after:%Y-%m-%d}, in {seen.days_left(now)} days; expected at "
            f"least {DAYS_LEFT}. Then nobody who verifies connects any more."
        )
    yield Finding(
        Level.ERROR,
        "The server's certificate expires",
        f"certificate of {inspection.evidence['host']}",
        detail,
        "Put a new one in place of ssl_cert_file, then SELECT pg_reload_conf();",
    )


@control(
    "SEC-004.6",
    "The server's certificate names the host of the service's address",
    not_applicable=LOCAL,
    inapplicable=(_OVER_SOCKET,),
    specimens=(
        Specimen(
            "a certificate for another host",
            plant=certificate(names=["DNS:db.example"]),
            repair=certificate(),
            near_miss=certificate(names=["DNS:db.example", "DNS:LOCALHOST"], subject="db.example"),
            subject="localhost",
            needs="tls",
        ),
        Specimen(
            "the host as a subject that its other names overrule",
            plant=certificate(names=["DNS:db.example"], subject="localhost"),
            repair=certificate(names=["DNS:localhost"], subject="db.example"),
            near_miss=certificate(names=[], subject="localhost"),
            subject="localhost",
            needs="tls",
        ),
    ),
)
def certificate_names_the_host(inspection: Inspection) -> Iterator[Finding]:
    seen = _certificate(inspection)
    host = str(inspection.evidence["host"])
    if not seen.fits(host):
        yield Finding(
            Level.ERROR,
            "The certificate is another server's",
            host,
            f"It names {', '.join(seen.names or (seen.subject,))}; the address leads to {host}.",
            "Write a host that the certificate names into DATABASE_URL, or have one issued for "
            "this host.",
        )


@control(
    "SEC-004.7",
    "The server takes no TLS older than 1.2",
    not_applicable=LOCAL,
    inapplicable=(_OVER_SOCKET,),
    specimens=(
        Specimen(
            "clients may ask for TLS 1.1",
            plant=configure(ssl_min_protocol_version="TLSv1.1"),
            repair=configure(ssl_min_protocol_version="TLSv1.2"),
            near_miss=configure(ssl_min_protocol_version="TLSv1.3"),
            subject="ssl_min_protocol_version",
            needs="tls",
        ),
        Specimen(
            "any version will do",
            plant=configure(ssl_min_protocol_version="TLSv1"),
            repair=configure(ssl_min_protocol_version="TLSv1.2"),
            near_miss=configure(ssl_max_protocol_version="TLSv1.2"),
            subject="ssl_min_protocol_version",
            needs="tls",
        ),
    ),
)
def old_versions_are_refused(inspection: Inspection) -> Iterator[Finding]:
    if inspection.over_socket:
        raise NotApplicable("local_socket")
    if setting(inspection.cursor, "ssl") != "on":
        raise CannotSee("ssl is off on the server, so it takes no version at all.")
    oldest = setting(inspection.cursor, "ssl_min_protocol_version")
    inspection.evidence["ssl_min_protocol_version"] = oldest
    if oldest not in STRONG_VERSIONS:
        yield Finding(
            Level.ERROR,
            "The server takes old versions of TLS",
            "ssl_min_protocol_version",
            f"It is {oldest}; expected {' or '.join(STRONG_VERSIONS)}.",
            "ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1.2'; SELECT pg_reload_conf();",
        )
