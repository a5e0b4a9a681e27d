"""The server does not stop accepting writes because nobody cleaned up behind them.

Every row bears the number of its transaction, and there are four thousand million of them. Vacuum
frees the old ones; where it cannot, the server refuses every write, in all databases, until
somebody has cleaned up by hand. Autovacuum does it in time, unless it is switched off or held up.
"""

from collections.abc import Iterator

from apps.controls.control import Action, Finding, Level, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import configure, end_sessions, open_session, sequence, sql
from apps.controls.scratch import Scratch
from apps.database.facts.questions import quoted
from apps.database.facts.server import integer_setting, setting
from apps.database.facts.upkeep import (
    DatabaseAge,
    database_ages,
    oldest_holder,
    oldest_tables,
    unvacuumed,
)

# A quarter of what there is before the server refuses writes; a healthy one stays far below.
OLDEST = 500_000_000
# Who lets autovacuum begin later gets room for it, up to there.
OLDEST_EVER = 1_200_000_000
LAST = 2**31
# Autovacuum cleans up in such need though it is switched off, unless something holds it up.
_HELD_UP = open_session(
    "owner", "BEGIN", "LOCK TABLE public.risks_risk IN SHARE UPDATE EXCLUSIVE MODE"
)
# At the beginning of a file of the commit log or of the locks', which the server then makes itself.
_FAR, _NOT_SO_FAR = 600 * 2**20, 750 * 2**20
_FAR_SHARED, _NOT_SO_FAR_SHARED = 10_000 * 2**16, 14_000 * 2**16


def _advance(*arguments: str) -> Action:
    """Have the server go on from far numbers, as if so many had been used."""

    def act(scratch: Scratch) -> None:
        scratch.cluster.stop()
        try:
            scratch.cluster.reset_wal(*arguments)
        finally:
            scratch.cluster.start()

    return act


def _freeze(scratch: Scratch) -> None:
    """Vacuum every database of the server, the templates too."""
    with scratch.cluster.connect() as admin:
        admin.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
        names = admin.execute("SELECT datname FROM pg_catalog.pg_database").fetchall()
    for (name,) in names:
        with scratch.cluster.connect(name) as inside:
            inside.execute("VACUUM (FREEZE)")
    with scratch.cluster.connect() as admin:
        admin.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS false")


@control(
    "OPS-002.11",
    "The numbers of transactions are far from their end",
    specimens=(
        Specimen(
            "a database whose rows are old",
            plant=sequence(_advance("--next-transaction-id", str(_FAR)), _HELD_UP),
            repair=sequence(end_sessions, _freeze),
            near_miss=_advance("--next-transaction-id", str(_NOT_SO_FAR)),
            subject="holdfast_scratch",
        ),
    ),
)
def transactions_go_on(inspection: Inspection) -> Iterator[Finding]:
    ages = database_ages(inspection.cursor)
    begins = integer_setting(inspection.cursor, "autovacuum_freeze_max_age")
    limit = _limit(begins)
    inspection.evidence.update(
        transactions={age.database: age.transactions for age in ages}, limit=limit
    )
    for age in ages:
        if age.transactions > limit:
            yield _old(inspection, age, "transaction", age.transactions, limit)


@control(
    "OPS-002.12",
    "The numbers of shared row locks are far from their end",
    specimens=(
        Specimen(
            "a database whose locks are old",
            plant=sequence(_advance("--multixact-ids", f"{_FAR_SHARED},1"), _HELD_UP),
            repair=sequence(end_sessions, _freeze),
            near_miss=_advance("--multixact-ids", f"{_NOT_SO_FAR_SHARED},{_FAR_SHARED}"),
            subject="holdfast_scratch",
        ),
    ),
)
def multixacts_go_on(inspection: Inspection) -> Iterator[Finding]:
    ages = database_ages(inspection.cursor)
    begins = integer_setting(inspection.cursor, "autovacuum_multixact_freeze_max_age")
    limit = _limit(begins)
    inspection.evidence.update(
        multixacts={age.database: age.multixacts for age in ages}, limit=limit
    )
    for age in ages:
        if age.multixacts > limit:
            yield _old(inspection, age, "multixact", age.multixacts, limit)


def _limit(begins: int) -> int:
    """From what age on cleaning up is late; autovacuum begins it in earnest at `begins`."""
    return min(max(OLDEST, begins * 3 // 2), OLDEST_EVER)


def _old(inspection: Inspection, age: DatabaseAge, word: str, number: int, limit: int) -> Finding:
    holder = oldest_holder(inspection.cursor)
    held = "" if holder is None else f" The oldest that vacuum waits for: {holder[0]}."
    if age.is_this:
        tables = ", ".join(oldest_tables(inspection.cursor))
        remedy = f"End what holds it up, then VACUUM (FREEZE, VERBOSE) {tables};"
    else:
        remedy = f"End what holds it up, then in database {age.database}: VACUUM (FREEZE);"
    return Finding(
        Level.ERROR,
        "The server will refuse writes",
        age.database,
        f"Its oldest {word} is {number} ago, {number / LAST:.0%} of the way to the stop; expected "
        f"at most {limit}.{held}",
        remedy,
    )


_ON = configure(autovacuum="on")
_TABLE = "CREATE TABLE public.planted (id int PRIMARY KEY, body text)"


@control(
    "OPS-002.13",
    "Autovacuum is on, for every table",
    specimens=(
        Specimen(
            "off for the server",
            plant=configure(autovacuum="off"),
            repair=_ON,
            near_miss=configure(autovacuum="on", autovacuum_naptime="10min"),
            subject="autovacuum",
        ),
        Specimen(
            "nothing is counted that it could go by",
            plant=configure(autovacuum="on", track_counts="off"),
            repair=configure(track_counts="on"),
            near_miss=configure(autovacuum="on", track_activities="off"),
            subject="track_counts",
        ),
        Specimen(
            "off for a table",
            plant=sequence(
                _ON, sql(_TABLE, "ALTER TABLE public.planted SET (autovacuum_enabled = off)")
            ),
            repair=sql("ALTER TABLE public.planted RESET (autovacuum_enabled)"),
            near_miss=sequence(
                _ON,
                sql(
                    _TABLE,
                    "ALTER TABLE public.planted SET (autovacuum_enabled = on,"
                    " autovacuum_vacuum_scale_factor = 0.5)",
                ),
            ),
            subject="public.planted",
        ),
        Specimen(
            "off for what a table keeps aside",
            plant=sequence(
                _ON, sql(_TABLE, "ALTER TABLE public.planted SET (toast.autovacuum_enabled = off)")
            ),
            repair=sql("ALTER TABLE public.planted RESET (toast.autovacuum_enabled)"),
            near_miss=sequence(
                _ON, sql(_TABLE, "ALTER TABLE public.planted SET (toast.autovacuum_enabled = on)")
            ),
            subject="public.planted",
        ),
    ),
)
def autovacuum_is_on(inspection: Inspection) -> Iterator[Finding]:
    found = unvacuumed(inspection.cursor)
    needed = {name: setting(inspection.cursor, name) for name in ("autovacuum", "track_counts")}
    inspection.evidence.update(needed, tables=len(found))
    for name, value in needed.items():
        if value != "on":
            yield Finding(
                Level.ERROR,
                "Nobody cleans up behind writes",
                name,
                f"{name} is {value}: the server vacuums only when it is about to stop.",
                f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();",
            )
    for table in found:
        option = "toast.autovacuum_enabled" if table.toast else "autovacuum_enabled"
        yield Finding(
            Level.WARNING,
            "A table that nobody cleans up",
            table.subject,
            f"{option} is off: its dead rows stay, and the planner's statistics grow old.",
            f"ALTER TABLE {quoted(table.schema, table.table)} RESET ({option});",
        )
