"""Whoever comes for the first time is noticed: a role, an address, a program, an attempt in clear.

Who came before stands in the evidence of earlier assessments, so the first one has nothing to
compare with and says so. What is new is reported once, by the assessment that records it; what it
was stays in the evidence for good.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg

from apps.controls.control import Action, CannotSee, Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection, sees_monitoring
from apps.controls.planting import (
    command,
    end_sessions,
    hba,
    open_session,
    restarted,
    sequence,
    sql,
)
from apps.database.facts.server import setting
from apps.database.facts.visitors import (
    may_read_log,
    own_address,
    refused_attempts,
    server_log,
    visitors,
)

if TYPE_CHECKING:
    from apps.controls.scratch import Scratch

KINDS = ("roles", "addresses", "applications")
# What a log file gains between two assessments on a busy day; more would be slow to send.
LONGEST_LOG_BYTES = 1 << 20
_ENGLISH = ("", "C", "POSIX", "en")
_REMEDIES = {
    "roles": 'If nobody knows it: ALTER ROLE "{}" NOLOGIN; then find out who made it.',
    "addresses": "If nobody knows {}: close it out in pg_hba.conf or the firewall.",
    "applications": "If nobody knows {}: SELECT * FROM pg_stat_activity; says who runs it.",
}


def _drop_newcomer(scratch: "Scratch") -> None:
    """Roles are the server's, not the database's: a fresh database would still have it."""
    with scratch.connect("superuser") as admin:
        admin.execute("DROP ROLE IF EXISTS newcomer")


_BASELINE = sequence(_drop_newcomer, command("assess", "--control", "SEC-005.9"))


@control(
    "SEC-005.9",
    "Nobody came who never came before",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a role that nobody knows",
            plant=sequence(_BASELINE, sql("CREATE ROLE newcomer LOGIN")),
            repair=_drop_newcomer,
            near_miss=sequence(_BASELINE, sql("ALTER ROLE scratch_app CONNECTION LIMIT 40")),
            subject="role newcomer",
            peer=True,
        ),
        Specimen(
            "a program that nobody knows",
            plant=sequence(_BASELINE, open_session("app", name="exporter")),
            repair=end_sessions,
            # The same program with another number, which a worker's or a request's is.
            near_miss=sequence(
                open_session("app", name="worker 17"),
                _BASELINE,
                end_sessions,
                open_session("app", name="worker 4711"),
            ),
            subject="application exporter",
            peer=True,
        ),
        Specimen(
            "an address that nobody knows",
            plant=sequence(_BASELINE, open_session("owner", name="peer", sslmode="require")),
            repair=end_sessions,
            near_miss=sequence(
                open_session("owner", name="peer", sslmode="require"),
                _BASELINE,
                end_sessions,
                open_session("owner", name="peer", sslmode="require"),
            ),
            subject="127.0.0.1",
            needs="tls",
            peer=True,
        ),
    ),
)
def nobody_is_new(inspection: Inspection) -> Iterator[Finding]:
    before: dict[str, list[str]] = inspection.previous("SEC-005.9").get("known", {})
    # Carried on first, so that an assessment that cannot see does not forget.
    inspection.evidence["known"] = before
    sees_monitoring(inspection)
    now = vars(visitors(inspection.cursor))
    known = {kind: set(before.get(kind, ())) for kind in KINDS}
    new = {kind: sorted(set(now[kind]) - known[kind]) for kind in KINDS}
    inspection.evidence["known"] = {kind: sorted(known[kind] | set(now[kind])) for kind in KINDS}
    if not before:
        raise CannotSee(
            "There is no earlier assessment to compare with; this one, when it is recorded, is "
            f"the baseline: {len(now['roles'])} roles, {len(now['addresses'])} addresses, "
            f"{len(now['applications'])} applications.",
            "Assess again.",
        )
    inspection.evidence["new"] = new
    for kind, singular in zip(KINDS, ("role", "address", "application"), strict=True):
        for name in new[kind]:
            yield Finding(
                Level.ERROR if kind == "roles" else Level.WARNING,
                "Somebody is here for the first time",
                f"{singular} {name}",
                f"No earlier assessment saw the {singular} {name}; the next one knows it.",
                _REMEDIES[kind].format(name),
            )


def _attempt_in_clear(role: str) -> Action:
    """An attempt over the network without encryption, which is refused."""

    def act(scratch: "Scratch") -> None:
        credential = scratch.roles.owner if role == "owner" else scratch.roles.app
        with suppress(psycopg.OperationalError):
            psycopg.connect(
                host="127.0.0.1",
                port=scratch.cluster.port or 5432,
                dbname="holdfast_scratch",
                user=credential.name,
                password=credential.password,
                sslmode="disable",
            ).close()

    return act


_TLS_ONLY = hba("local all all scram-sha-256", "hostssl all all 127.0.0.1/32 scram-sha-256")
_CLEAR_TOO = hba("local all all scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256")
_LOGGED = sequence(
    restarted(logging_collector="on"),
    sql("GRANT EXECUTE ON FUNCTION pg_read_binary_file(text, bigint, bigint) TO scratch_auditor"),
    _TLS_ONLY,
    command("assess", "--control", "SEC-005.10"),
)


@control(
    "SEC-005.10",
    "Nobody tried to come in clear text and was refused",
    scope=Scope.APPLICATION,
    sees=(sees_monitoring,),
    specimens=(
        Specimen(
            "a client without TLS",
            plant=sequence(_LOGGED, _attempt_in_clear("owner")),
            # What an assessment has recorded was seen: only new attempts count after it.
            repair=command("assess", "--control", "SEC-005.10"),
            # Let in, it is SEC-004's to judge; and app's own attempt is that of SEC-004.4.
            near_miss=sequence(
                _LOGGED,
                _attempt_in_clear("app"),
                _CLEAR_TOO,
                _attempt_in_clear("owner"),
            ),
            subject="127.0.0.1",
            needs="tls",
            peer=True,
        ),
    ),
)
def nobody_was_refused(inspection: Inspection) -> Iterator[Finding]:
    before = inspection.previous("SEC-005.10")
    inspection.evidence.update({k: before[k] for k in ("log", "read_to") if k in before})
    language = setting(inspection.cursor, "lc_messages") or ""
    if language.partition("_")[0].partition(".")[0] not in _ENGLISH:
        raise CannotSee(
            f"The server writes its log in the language {language}.",
            "ALTER SYSTEM SET lc_messages = 'C'; SELECT pg_reload_conf();",
        )
    log = server_log(inspection.cursor)
    if log is None:
        raise CannotSee(
            "The server does not collect its log in a file of its own.",
            "ALTER SYSTEM SET logging_collector = on; and restart it.",
        )
    if not may_read_log(inspection.cursor):
        auditor = inspection.target.entries["auditor"]["USER"]
        raise CannotSee(
            "The server's log may not be read by this session.",
            "GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text, bigint, bigint) TO "
            f'"{auditor}"; which opens the files of the data directory to it. Restore dumps made '
            "after that with --no-privileges.",
        )
    begin = int(before.get("read_to", 0)) if before.get("log") == log.path else 0
    attempts = refused_attempts(inspection.cursor, log, begin, LONGEST_LOG_BYTES)
    ours = (own_address(inspection.cursor), inspection.app_role)
    counts = Counter(a for a in attempts if (a.address, a.role) != ours)
    inspection.evidence.update(log=log.path, read_to=log.size, refused=sum(counts.values()))
    for attempt, count in sorted(counts.items(), key=str):
        yield Finding(
            Level.WARNING,
            "Somebody tried to come in clear text",
            attempt.address,
            f"{count} times as {attempt.role} to {attempt.database}, and was refused.",
            "Find the client, and set sslmode=verify-full in its address.",
        )
