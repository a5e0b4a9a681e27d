"""Requests spend little of their time waiting for a connection, and none gives up.

Web processes publish how they use their connections as files in RUNTIME_DIR, because the numbers
matter most when there is no connection left to write them with. PgBouncer is asked itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from apps.controls.control import (
    CannotSee,
    Finding,
    Inapplicable,
    Level,
    NotApplicable,
    Scope,
    Specimen,
    control,
)
from apps.controls.inspection import Inspection
from apps.controls.planting import command, environment, sequence, serve
from apps.database.facts.bouncer import bouncer_waiting
from apps.database.statistics import ConnectionStatistics, published

# Of the time from asking for a connection to giving it back. A queue grows without bound as its
# servers near full use; at a fifth there is still room for a busier minute.
WAITING_SHARE = 0.2
# Waits that nobody notices are no fault, however short the work that they precede.
MEAN_WAIT_MS = 5.0
FEWEST_REQUESTS = 20
_REMEDY = (
    "Raise DATABASE_POOL_SIZE as docs/pool-sizing.md shows, or hold connections for a shorter time."
)
_NATIVE = environment(DATABASE_POOL="native")
_SMALL = {"DATABASE_POOL_SIZE": "1", "DATABASE_POOL_MAX_OVERFLOW": "0"}
_LARGE = {"DATABASE_POOL_SIZE": "24", "DATABASE_POOL_MAX_OVERFLOW": "0"}
_NO_POOL = {
    "no_pool": "Every thread keeps a connection of its own (DATABASE_POOL), so nothing waits."
}
_PERSISTENT = Inapplicable(
    "persistent connections",
    "no_pool",
    plant=environment(DATABASE_POOL="persistent"),
    peer=True,
)


@control(
    "PERF-001.1",
    "Requests spend little of their time waiting for a connection",
    scope=Scope.APPLICATION,
    not_applicable=_NO_POOL,
    inapplicable=(_PERSISTENT,),
    specimens=(
        Specimen(
            "one connection for everybody",
            plant=sequence(_NATIVE, serve(24, 0.02, DATABASE_POOL="native", **_SMALL)),
            # Enough good requests of a process with a larger pool outweigh the bad ones.
            repair=serve(24, 2, DATABASE_POOL="native", **_LARGE),
            # Making the first connections takes a while, and long work follows.
            near_miss=sequence(_NATIVE, serve(24, 1, DATABASE_POOL="native", **_LARGE)),
            subject="RUNTIME_DIR",
            peer=True,
        ),
    ),
)
def little_time_is_spent_waiting(inspection: Inspection) -> Iterator[Finding]:
    seen = _waiting(inspection)
    share = seen.wait_ms / max(1, seen.wait_ms + seen.held_ms)
    mean = seen.wait_ms / seen.requests
    inspection.evidence.update(
        requests=seen.requests,
        wait_ms=seen.wait_ms,
        held_ms=seen.held_ms,
        waiting_share=round(share, 4),
        mean_wait_ms=round(mean, 3),
    )
    if share > WAITING_SHARE and mean > MEAN_WAIT_MS:
        yield Finding(
            Level.ERROR,
            "Requests wait for connections",
            seen.where,
            f"{seen.requests} requests waited for {share:.0%} of their time with the database, "
            f"{mean:.0f} ms each; expected at most {WAITING_SHARE:.0%}.",
            _REMEDY,
        )


@dataclass(frozen=True)
class _Waiting:
    """Requests, their milliseconds of waiting and of having a connection, and who counted them."""

    requests: int
    wait_ms: int
    held_ms: int
    where: str


def _waiting(inspection: Inspection) -> _Waiting:
    if settings.DATABASE_POOL_MODE == "persistent":
        raise NotApplicable("no_pool")
    if settings.DATABASE_POOL_MODE == "pgbouncer":
        asked = bouncer_waiting(inspection.target.entries["app"])
        seen = _Waiting(asked.transactions, asked.wait_ms, asked.held_ms, "PgBouncer")
    else:
        processes = _published()
        seen = _Waiting(
            requests=sum(process.requests for process in processes),
            wait_ms=sum(process.wait_ms for process in processes),
            held_ms=sum(process.held_ms for process in processes),
            where=f"RUNTIME_DIR {settings.RUNTIME_DIR}",
        )
    if seen.requests < FEWEST_REQUESTS:
        raise CannotSee(
            f"{seen.requests} requests are too few to judge; {FEWEST_REQUESTS} are needed."
        )
    return seen


def _published() -> list[ConnectionStatistics]:
    seen = published()
    if not seen:
        raise CannotSee(
            f"No web process published its statistics in {settings.RUNTIME_DIR} in the last day.",
            "Run assess on the machine that serves, or set RUNTIME_DIR to a folder they share.",
        )
    return seen


@control(
    "PERF-001.2",
    "No request gave up waiting for a connection since the last assessment",
    scope=Scope.APPLICATION,
    not_applicable=_NO_POOL,
    inapplicable=(_PERSISTENT,),
    specimens=(
        Specimen(
            "a request ran out of patience",
            plant=sequence(
                _NATIVE,
                serve(2, 1.5, DATABASE_POOL="native", DATABASE_POOL_TIMEOUT="1", **_SMALL),
            ),
            # An assessment that is recorded has seen them: only new ones count after it.
            repair=command("assess", "--control", "PERF-001.2"),
            near_miss=sequence(
                _NATIVE,
                serve(2, 0.5, DATABASE_POOL="native", DATABASE_POOL_TIMEOUT="1", **_SMALL),
            ),
            subject="process",
            peer=True,
        ),
    ),
)
def nobody_gave_up(inspection: Inspection) -> Iterator[Finding]:
    if settings.DATABASE_POOL_MODE == "persistent":
        raise NotApplicable("no_pool")
    if settings.DATABASE_POOL_MODE == "pgbouncer":
        raise CannotSee("PgBouncer counts no time-outs; its log does: query_wait_timeout.")
    # A process is known by its number and its start: numbers come again.
    timeouts = {f"{p.process}@{p.started_at:.3f}": p.timeouts for p in _published()}
    before = inspection.previous("PERF-001.2").get("timeouts", {})
    inspection.evidence["timeouts"] = timeouts
    for process, count in timeouts.items():
        new = count - int(before.get(process, 0))
        if new > 0:
            yield Finding(
                Level.ERROR,
                "Requests gave up waiting for a connection",
                f"process {process.partition('@')[0]}",
                f"{new} requests were answered 503 after DATABASE_POOL_TIMEOUT.",
                _REMEDY,
            )
