"""All processes together cannot ask for more connections than the server has.

A connection that died is noticed before a request gets it, and the two ways of keeping connections
are never mixed.
"""

from collections.abc import Iterator

from django.conf import settings

from apps.controls.control import CannotSee, Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import append, environment, original
from apps.database.facts.server import integer_setting

# A rolling deploy runs the old and the new processes side by side.
DEPLOY_FACTOR = 2
# Commands, probes, a backup and a person with psql.
RESERVE = 10


@control(
    "TECH-003.1",
    "The worst case of all processes fits the server",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "too many workers",
            plant=environment(WEB_CONCURRENCY="20", WEB_THREADS="8"),
            repair=environment(WEB_CONCURRENCY="2", WEB_THREADS="8"),
            # 60 connections, 3 reserved: 2 × 11 × 2 + 10 = 54 fit.
            near_miss=environment(WEB_CONCURRENCY="2", WEB_THREADS="11"),
            subject="max_connections",
            peer=True,
        ),
        Specimen(
            "a pool too large for the server",
            plant=environment(DATABASE_POOL="native", DATABASE_POOL_SIZE="40"),
            repair=environment(DATABASE_POOL_SIZE="5", DATABASE_POOL_MAX_OVERFLOW="5"),
            near_miss=environment(
                DATABASE_POOL="native", DATABASE_POOL_SIZE="1", DATABASE_POOL_MAX_OVERFLOW="10"
            ),
            subject="max_connections",
            peer=True,
        ),
    ),
)
def worst_case_fits(inspection: Inspection) -> Iterator[Finding]:
    if settings.DATABASE_POOL_MODE == "pgbouncer":
        raise CannotSee(
            "PgBouncer holds the server's connections, and its sizes are not visible from here.",
            "Compare pool_size and max_db_connections in ops/pgbouncer.ini with max_connections.",
        )
    pool = inspection.target.entries["app"]["OPTIONS"].get("pool")
    each = int(pool["max_size"]) if pool else settings.WEB_THREADS
    processes = settings.WEB_CONCURRENCY * settings.WEB_REPLICAS
    wanted = processes * each * DEPLOY_FACTOR + RESERVE
    maximum = integer_setting(inspection.cursor, "max_connections")
    reserved = integer_setting(
        inspection.cursor, "superuser_reserved_connections"
    ) + integer_setting(inspection.cursor, "reserved_connections")
    inspection.evidence.update(
        processes=processes,
        connections_each=each,
        worst_case=wanted,
        max_connections=maximum,
        reserved=reserved,
    )
    if wanted > maximum - reserved:
        yield Finding(
            Level.ERROR,
            "The processes can ask for more connections than there are",
            "max_connections",
            f"{processes} processes × {each} connections × {DEPLOY_FACTOR} for a rolling deploy "
            f"+ {RESERVE} reserve = {wanted}; the server has {maximum} − {reserved} reserved.",
            "Lower WEB_CONCURRENCY, WEB_THREADS or DATABASE_POOL_SIZE, or raise max_connections.",
        )


@control(
    "TECH-003.2",
    "Kept connections are tested, and kept in one way only",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "connections are not tested",
            plant=append(
                "config/settings.py", 'DATABASES["default"]["CONN_HEALTH_CHECKS"] = False\n'
            ),
            repair=original("config/settings.py"),
            near_miss=append("config/settings.py", 'DATABASES["default"]["CONN_MAX_AGE"] = 600\n'),
            subject="CONN_HEALTH_CHECKS",
            peer=True,
        ),
        Specimen(
            "a pool beside persistent connections",
            plant=append(
                "config/settings.py",
                'DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 4}\n'
                'DATABASES["default"]["CONN_MAX_AGE"] = 60\n',
            ),
            repair=append("config/settings.py", 'DATABASES["default"]["CONN_MAX_AGE"] = 0\n'),
            near_miss=append(
                "config/settings.py", 'DATABASES["default"]["OPTIONS"]["pool"] = False\n'
            ),
            subject="CONN_MAX_AGE",
            peer=True,
        ),
    ),
)
def connections_are_kept_safely(inspection: Inspection) -> Iterator[Finding]:
    entry = inspection.target.entries["app"]
    keeps = entry["CONN_MAX_AGE"] != 0
    pooled = bool(entry["OPTIONS"].get("pool"))
    inspection.evidence.update(
        conn_max_age=entry["CONN_MAX_AGE"],
        health_checks=entry["CONN_HEALTH_CHECKS"],
        native_pool=pooled,
    )
    if (keeps or pooled) and not entry["CONN_HEALTH_CHECKS"]:
        yield Finding(
            Level.ERROR,
            "A dead connection would reach a request",
            "CONN_HEALTH_CHECKS",
            "Connections are kept, and not tested before they are used again.",
            'Set DATABASES["default"]["CONN_HEALTH_CHECKS"] = True',
        )
    if keeps and pooled:
        yield Finding(
            Level.ERROR,
            "The native pool and persistent connections are mixed",
            "CONN_MAX_AGE",
            f"OPTIONS['pool'] is set and CONN_MAX_AGE is {entry['CONN_MAX_AGE']}; the first "
            "query would fail.",
            "Choose one with DATABASE_POOL, and remove the other from config/settings.py.",
        )
