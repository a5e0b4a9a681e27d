"""Who tried to come in clear text, and was refused, does not go unnoticed.

A refusal is the mitigation at work, and a sign: a client of ours is set up wrongly, or somebody
tries doors. It stands in the server's log only. Each assessment reads what was added since the one
before; where the log may not be read the answer is *unknown*.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg

from apps.controls.control import Action, CannotSee, Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection, sees_monitoring
from apps.controls.planting import command, hba, restarted, sequence, sql
from apps.database.facts.server import setting
from apps.database.facts.visitors import may_read_log, own_address, refused_attempts, server_log

if TYPE_CHECKING:
    from apps.controls.scratch import Scratch

# What a log file gains between two assessments on a busy day; more would be slow to send.
LONGEST_LOG_BYTES = 1 << 20
_ENGLISH = ("", "C", "POSIX", "en")


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
    command("assess", "--control", "OPS-003.6"),
)


@control(
    "OPS-003.6",
    "Nobody tried to come in clear text and was refused",
    scope=Scope.APPLICATION,
    sees=(sees_monitoring,),
    specimens=(
        Specimen(
            "a client without TLS",
            plant=sequence(_LOGGED, _attempt_in_clear("owner")),
            # What an assessment has recorded was seen: only new attempts count after it.
            repair=command("assess", "--control", "OPS-003.6"),
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
    before = inspection.previous("OPS-003.6")
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
