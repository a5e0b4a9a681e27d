"""All processes together cannot ask for more connections than the server has.

A connection that died is noticed before a request gets it, and the two ways of keeping connections
are never mixed.
"""

from collections.abc import Iterator

from django.conf import settings

from apps.controls.control import (
    Finding,
    Inapplicable,
    Level,
    NotApplicable,
    Scope,
    Specimen,
    control,
)
from apps.controls.inspection import Inspection
from apps.controls.planting import append, environment, nothing, original, sequence
from apps.database.sizing import REMEDY, sizing


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
    found = sizing(inspection.cursor, inspection.target.entries["app"])
    inspection.evidence.update(
        processes=found.processes,
        connections_each=found.connections_each,
        worst_case=found.worst_case,
        max_connections=found.max_connections,
        reserved=found.reserved,
    )
    if not found.fits:
        yield Finding(
            Level.ERROR,
            "The processes can ask for more connections than there are",
            "max_connections",
            str(found),
            REMEDY,
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


_CURSORS = 'DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = False\n'
_PREPARES = 'DATABASES["default"]["OPTIONS"]["prepare_threshold"] = 5\n'


@control(
    "TECH-003.3",
    "Nothing behind PgBouncer depends on a session",
    scope=Scope.APPLICATION,
    not_applicable={"no_bouncer": "DATABASE_POOL does not say pgbouncer."},
    inapplicable=(Inapplicable("without PgBouncer", "no_bouncer", nothing, peer=True),),
    specimens=(
        Specimen(
            "server-side cursors in transaction mode",
            plant=sequence(
                environment(DATABASE_POOL="pgbouncer"), append("config/settings.py", _CURSORS)
            ),
            repair=original("config/settings.py"),
            near_miss=sequence(
                environment(DATABASE_POOL="pgbouncer"),
                append("config/settings.py", _CURSORS.replace("False", "True")),
            ),
            subject="DISABLE_SERVER_SIDE_CURSORS",
            peer=True,
        ),
        Specimen(
            "prepared statements in transaction mode",
            plant=sequence(
                environment(DATABASE_POOL="pgbouncer"), append("config/settings.py", _PREPARES)
            ),
            repair=original("config/settings.py"),
            near_miss=sequence(
                environment(DATABASE_POOL="pgbouncer"),
                append("config/settings.py", _PREPARES.replace("= 5", "= None")),
            ),
            subject="prepare_threshold",
            peer=True,
        ),
    ),
)
def nothing_depends_on_a_session(inspection: Inspection) -> Iterator[Finding]:
    if settings.DATABASE_POOL_MODE != "pgbouncer":
        raise NotApplicable("no_bouncer")
    entry = inspection.target.entries["app"]
    options = entry["OPTIONS"]
    inspection.evidence.update(
        server_side_cursors=not entry.get("DISABLE_SERVER_SIDE_CURSORS", False),
        prepare_threshold=options.get("prepare_threshold"),
        start_up_options="options" in options,
    )
    # Django never prepares unless a threshold is set.
    wrong = {
        "DISABLE_SERVER_SIDE_CURSORS": not entry.get("DISABLE_SERVER_SIDE_CURSORS", False),
        "prepare_threshold": options.get("prepare_threshold") is not None,
        "options": "options" in options,
    }
    for subject in (subject for subject, is_wrong in wrong.items() if is_wrong):
        yield Finding(
            Level.ERROR,
            "A later statement may meet another server session",
            subject,
            f"{subject} asks for state that lasts longer than a transaction.",
            "Leave what config/database.py sets for DATABASE_POOL=pgbouncer.",
        )
