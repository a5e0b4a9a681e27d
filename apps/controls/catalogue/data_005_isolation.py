"""What happens at the same time does not spoil each other's work, nor wait for it for ever.

The level of isolation is chosen, and the same for a statement by itself and in a transaction. Every
wait of the app role ends. And nobody keeps a transaction open for so long that vacuum cannot clean
behind it, or that others wait for its locks.
"""

from collections.abc import Iterator

from django.conf import settings

from apps.controls.control import Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection, sees_monitoring
from apps.controls.planting import (
    append,
    end_sessions,
    environment,
    open_session,
    original,
    send,
    sequence,
    sql,
    wait,
)
from apps.database.facts.server import integer_setting
from apps.database.facts.transactions import (
    SessionBounds,
    blocked_sessions,
    open_transactions,
    prepared_transactions,
    resting_transactions,
    session_bounds,
)

TIMEOUTS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
# The second phase of a commit follows the first by milliseconds, unless who began it is gone.
ORPHANED_SECONDS = 5.0
# As long as app waits for a lock itself: whoever waits longer has no bound.
BLOCKED_SECONDS = 5.0
# Longer than a program thinks between two statements; what is open then waits for a person.
RESTING_SECONDS = 10.0
_OPTIONS = 'DATABASES["default"]["OPTIONS"]'
_LEVEL = f'from psycopg import IsolationLevel\n{_OPTIONS}["isolation_level"] = '
_BEHIND_A_POOLER = environment(DATABASE_POOL="pgbouncer")


def _for_sessions(whose: str) -> tuple[str, ...]:
    return tuple(f"ALTER {whose} SET {name} = '5s'" for name in TIMEOUTS)


@control(
    "DATA-005.1",
    "The app role's sessions have a chosen isolation level, and every wait ends",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "start-up options are off, and the role carries no time-outs",
            plant=_BEHIND_A_POOLER,
            repair=sql(*_for_sessions("ROLE scratch_app")),
            near_miss=sequence(_BEHIND_A_POOLER, sql(*_for_sessions("DATABASE holdfast_scratch"))),
            subject="statement_timeout",
            peer=True,
        ),
        Specimen(
            "the client gives up before the server does",
            plant=append("config/settings.py", f'{_OPTIONS}["answer_timeout"] = 9\n'),
            repair=append("config/settings.py", f'{_OPTIONS}["answer_timeout"] = 11\n'),
            # What the service asks for at its start goes before what the role carries.
            near_miss=sql("ALTER ROLE scratch_app SET statement_timeout = 0"),
            subject="statement_timeout",
            peer=True,
        ),
        Specimen(
            "waits for locks for ever",
            plant=append("config/settings.py", f'{_OPTIONS}["options"] += " -c lock_timeout=0"\n'),
            repair=original("config/settings.py"),
            near_miss=append(
                "config/settings.py", f'{_OPTIONS}["options"] += " -c lock_timeout=100"\n'
            ),
            subject="lock_timeout",
            peer=True,
        ),
        Specimen(
            "idle transactions may stay for ever",
            plant=append(
                "config/settings.py",
                f'{_OPTIONS}["options"] += " -c idle_in_transaction_session_timeout=0"\n',
            ),
            repair=original("config/settings.py"),
            near_miss=sql("ALTER ROLE scratch_owner SET idle_in_transaction_session_timeout = 0"),
            subject="idle_in_transaction_session_timeout",
            peer=True,
        ),
        Specimen(
            "the database has a level of its own",
            plant=sql(
                "ALTER DATABASE holdfast_scratch SET default_transaction_isolation = 'serializable'"
            ),
            repair=sql("ALTER DATABASE holdfast_scratch RESET default_transaction_isolation"),
            near_miss=sql(
                "ALTER ROLE scratch_owner SET default_transaction_isolation = 'serializable'"
            ),
            subject="default_transaction_isolation",
            peer=True,
        ),
        Specimen(
            "the level is left to the server",
            plant=append("config/settings.py", f'{_OPTIONS}["isolation_level"] = None\n'),
            repair=original("config/settings.py"),
            near_miss=append("config/settings.py", f"{_LEVEL}IsolationLevel.READ_COMMITTED\n"),
            subject="isolation_level",
            peer=True,
        ),
    ),
)
def sessions_are_bounded(inspection: Inspection) -> Iterator[Finding]:
    with inspection.app_connection() as connection:
        bounds = session_bounds(connection)
    inspection.evidence.update(vars(bounds))
    options = inspection.target.entries["app"]["OPTIONS"]
    level = options.get("isolation_level")
    chosen = "" if level is None else level.name.lower().replace("_", " ")
    yield from _wrong_levels(bounds, chosen)
    for name in TIMEOUTS:
        milliseconds: int = getattr(bounds, name)
        if not milliseconds:
            yield Finding(
                Level.ERROR,
                "A wait of the app role never ends",
                name,
                f"{name} of its sessions is 0.",
                f'ALTER ROLE "{inspection.app_role}" SET {name} = '
                f"'{dict(settings.DATABASE_APP_SETTINGS)[name]}ms';",
            )
    patience = float(options.get("answer_timeout") or 0) * 1000
    if 0 < patience < bounds.statement_timeout:
        yield Finding(
            Level.ERROR,
            "A statement outlives its client's patience",
            "statement_timeout",
            f"The server ends a statement after {bounds.statement_timeout} ms, the client is gone "
            f"after {patience:.0f} ms: the statement goes on for nobody.",
            "Leave what config/database.py sets, and change DATABASE_STATEMENT_TIMEOUT.",
        )


def _wrong_levels(bounds: SessionBounds, chosen: str) -> Iterator[Finding]:
    if not chosen:
        yield Finding(
            Level.ERROR,
            "Nobody chose the isolation level",
            "isolation_level",
            f"OPTIONS has none; the server gave {bounds.level_in_transaction!r}.",
            "Leave what config/database.py sets.",
        )
    elif {bounds.level_by_itself, bounds.level_in_transaction} != {chosen}:
        yield Finding(
            Level.ERROR,
            "The server has another isolation level than the settings",
            "default_transaction_isolation",
            f"The settings say {chosen!r}; a statement by itself has {bounds.level_by_itself!r}, "
            f"a transaction {bounds.level_in_transaction!r}.",
            "Find who set it: SELECT * FROM pg_db_role_setting; then ALTER … RESET "
            "default_transaction_isolation;",
        )


@control(
    "DATA-005.2",
    "No transaction stays open for long",
    scope=Scope.APPLICATION,
    sees=(sees_monitoring,),
    specimens=(
        Specimen(
            "the service works in one transaction for minutes",
            plant=sequence(
                append("config/settings.py", "LONG_TRANSACTION_SECONDS = 1\n"),
                open_session("app", "BEGIN", "SELECT 1", name="report"),
                wait(1.2),
            ),
            repair=end_sessions,
            near_miss=sequence(
                append("config/settings.py", "LONG_TRANSACTION_SECONDS = 1\n"),
                # Commands may take longer, and a session without a transaction holds nothing up.
                open_session("owner", "BEGIN", "SELECT 1"),
                open_session("app", "SELECT 1"),
                wait(1.2),
            ),
            subject="scratch_app",
            peer=True,
        ),
        Specimen(
            "somebody left a transaction open over lunch",
            plant=sequence(
                append("config/settings.py", "LONG_COMMAND_SECONDS = 1\n"),
                open_session("owner", "BEGIN", "SELECT 1", name="psql"),
                wait(1.2),
            ),
            repair=end_sessions,
            near_miss=sequence(
                append("config/settings.py", "LONG_COMMAND_SECONDS = 60\n"),
                open_session("owner", "BEGIN", "SELECT 1", name="psql"),
                wait(1.2),
            ),
            subject="scratch_owner",
            peer=True,
        ),
    ),
)
def transactions_are_short(inspection: Inspection) -> Iterator[Finding]:
    """By age, whatever they do; that app does *nothing* in one is judged by TECH-001.2."""
    limits = {inspection.app_role: float(settings.LONG_TRANSACTION_SECONDS)}
    others = float(settings.LONG_COMMAND_SECONDS)
    found = open_transactions(inspection.cursor)
    inspection.evidence.update(
        open_transactions=len(found),
        oldest_seconds=round(max((t.seconds for t in found), default=0.0), 1),
        limits_seconds={**limits, "others": others},
    )
    for transaction in found:
        limit = limits.get(transaction.role, others)
        if transaction.seconds > limit:
            yield Finding(
                Level.ERROR,
                "A transaction stays open",
                transaction.role,
                f"Session {transaction.pid} ({transaction.application}, {transaction.state}) began "
                f"its transaction {transaction.seconds:.0f} s ago; expected at most {limit:.0f}.",
                f"See its line in pg_stat_activity; end it: "
                f"SELECT pg_terminate_backend({transaction.pid});",
            )


@control(
    "DATA-005.3",
    "No prepared transaction is orphaned",
    specimens=(
        Specimen(
            "prepared and forgotten",
            plant=sequence(
                sql("BEGIN", "CREATE TABLE public.planted ()", "PREPARE TRANSACTION 'planted'"),
                wait(ORPHANED_SECONDS + 0.3),
            ),
            repair=sql("ROLLBACK PREPARED 'planted'"),
            near_miss=sequence(
                sql("BEGIN", "CREATE TABLE public.rolled ()", "PREPARE TRANSACTION 'rolled'"),
                sql("ROLLBACK PREPARED 'rolled'"),
                sql("BEGIN", "CREATE TABLE public.recent ()", "PREPARE TRANSACTION 'recent'"),
            ),
            subject="planted",
        ),
    ),
)
def nothing_is_orphaned(inspection: Inspection) -> Iterator[Finding]:
    found = prepared_transactions(inspection.cursor)
    inspection.evidence.update(
        prepared=len(found),
        may_be_prepared=integer_setting(inspection.cursor, "max_prepared_transactions"),
        threshold_seconds=ORPHANED_SECONDS,
    )
    for prepared in found:
        if prepared.seconds > ORPHANED_SECONDS:
            yield Finding(
                Level.ERROR,
                "A prepared transaction is orphaned",
                prepared.name,
                f"{prepared.role} prepared it {prepared.seconds:.0f} s ago; it keeps its locks and "
                "holds vacuum back, also over restarts.",
                "In this database: ROLLBACK PREPARED '" + prepared.name.replace("'", "''") + "';",
            )


_LOCKED = sequence(
    sql("CREATE TABLE public.planted ()", "ALTER TABLE public.planted OWNER TO scratch_owner"),
    open_session("owner", "BEGIN", "LOCK TABLE public.planted IN ACCESS EXCLUSIVE MODE"),
    send("owner", "SELECT * FROM public.planted"),
)


@control(
    "DATA-005.4",
    "No session waits long for another's lock",
    sees=(sees_monitoring,),
    specimens=(
        Specimen(
            "stands behind a lock that nobody gives up",
            plant=sequence(_LOCKED, wait(BLOCKED_SECONDS + 0.3)),
            repair=end_sessions,
            near_miss=_LOCKED,
            subject="scratch_owner",
        ),
    ),
)
def nobody_waits_long(inspection: Inspection) -> Iterator[Finding]:
    found = blocked_sessions(inspection.cursor)
    inspection.evidence.update(
        waiting=len(found),
        longest_seconds=round(max((b.seconds for b in found), default=0.0), 1),
        threshold_seconds=BLOCKED_SECONDS,
    )
    for blocked in found:
        if blocked.seconds > BLOCKED_SECONDS:
            holders = ", ".join(map(str, blocked.blockers)) or "(gone meanwhile)"
            yield Finding(
                Level.ERROR,
                "A session is blocked",
                blocked.role,
                f"Session {blocked.pid} has waited {blocked.seconds:.0f} s for {holders}.",
                "See the lines of both in pg_stat_activity; give the role that waits a "
                f"bound: ALTER ROLE \"{blocked.role}\" SET lock_timeout = '5s';",
            )


@control(
    "DATA-005.5",
    "No session rests inside a transaction",
    sees=(sees_monitoring,),
    specimens=(
        Specimen(
            "began, and went for a coffee",
            plant=sequence(
                open_session("owner", "BEGIN", "SELECT 1", name="psql"),
                wait(RESTING_SECONDS + 0.3),
            ),
            repair=end_sessions,
            # One works in its transaction all the time, one rests outside, one has just begun.
            near_miss=sequence(
                send("owner", "BEGIN; SELECT pg_catalog.pg_sleep(60)", name="at work"),
                open_session("owner", "SELECT 1"),
                wait(RESTING_SECONDS + 0.3),
                open_session("app", "BEGIN", "SELECT 1"),
            ),
            subject="scratch_owner",
        ),
    ),
)
def nobody_rests_in_a_transaction(inspection: Inspection) -> Iterator[Finding]:
    """Of every role, whatever the settings say; TECH-001.2 judges the service's own."""
    found = resting_transactions(inspection.cursor)
    inspection.evidence.update(
        resting=len(found),
        longest_seconds=round(max((t.seconds for t in found), default=0.0), 1),
        threshold_seconds=RESTING_SECONDS,
    )
    for resting in found:
        if resting.seconds > RESTING_SECONDS:
            yield Finding(
                Level.ERROR,
                "A session rests inside a transaction",
                resting.role,
                f"Session {resting.pid} ({resting.application}) has done nothing in its "
                f"{'failed ' if resting.aborted else ''}transaction for {resting.seconds:.0f} s; "
                "it keeps its locks and holds vacuum back.",
                f"ALTER ROLE \"{resting.role}\" SET idle_in_transaction_session_timeout = '60s'; "
                f"end this one: SELECT pg_terminate_backend({resting.pid});",
            )
