"""Ten ways in which a database goes away; each returns when it accepted connections again."""

import time

import psycopg
from psycopg.sql import SQL, Literal

from drills.outages import Fault, Site

AWAY_SECONDS = 2.5


def stopped(site: Site) -> float:
    site.cluster.stop("fast")
    time.sleep(AWAY_SECONDS)
    site.cluster.start()
    return site.accepting()


def restarted(site: Site) -> float:
    site.cluster.stop("fast")
    site.cluster.start()
    return site.accepting()


def crashed(site: Site) -> float:
    site.cluster.stop("immediate")
    site.cluster.start()
    return site.accepting()


def terminated(site: Site) -> float:
    with site.cluster.connect() as admin:
        admin.execute(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
            " WHERE usename = %s",
            [site.roles.app.name],
        )
    return site.accepting()


def stalled(site: Site) -> float:
    site.proxy.stall()
    try:
        time.sleep(AWAY_SECONDS + 3)
    finally:
        site.proxy.go_on()
    return site.accepting()


def reset(site: Site) -> float:
    site.proxy.refusing = True
    try:
        site.proxy.reset()
        time.sleep(AWAY_SECONDS)
    finally:
        site.proxy.refusing = False
    return site.accepting()


def delayed(site: Site) -> float:
    site.proxy.delay_seconds = 0.15
    time.sleep(AWAY_SECONDS)
    site.proxy.delay_seconds = 0.0
    return site.accepting()


def unresolved(site: Site) -> float:
    """The name of the database is unknown, and connections must be made anew."""
    site.resolve(known=False)
    try:
        site.proxy.reset()
        time.sleep(AWAY_SECONDS)
    finally:
        # A fault that fails must not fail those that come after it.
        site.resolve(known=True)
    return time.monotonic()


def crowded(site: Site) -> float:
    """Others take every connection that the server has, as soon as one gets free."""
    crowd: list[psycopg.Connection] = []
    limit = "ALTER ROLE service_owner CONNECTION LIMIT -1"
    deadline = time.monotonic() + AWAY_SECONDS
    with site.cluster.connect() as admin:
        admin.execute(limit)
        admin.execute(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
            " WHERE usename = %s",
            [site.roles.app.name],
        )
        while time.monotonic() < deadline:
            try:
                crowd.append(_intruder(site))
            except psycopg.OperationalError:
                time.sleep(0.02)
                admin.execute(
                    "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
                    " WHERE usename = %s",
                    [site.roles.app.name],
                )
    for connection in crowd:
        connection.close()
    return site.accepting()


def _intruder(site: Site) -> psycopg.Connection:
    owner = site.roles.owner
    return psycopg.connect(site.cluster.address(owner.name, owner.password, "service"))


def read_only(site: Site) -> float:
    """As after a failover to a server that does not take writes yet."""
    _set_read_only(site, "on")
    try:
        time.sleep(AWAY_SECONDS)
    finally:
        _set_read_only(site, "off")
    return site.accepting()


def _set_read_only(site: Site, value: str) -> None:
    with site.cluster.connect() as admin:
        admin.execute(
            SQL("ALTER SYSTEM SET default_transaction_read_only = {}").format(Literal(value))
        )
        admin.execute("SELECT pg_catalog.pg_reload_conf()")


FAULTS: dict[str, Fault] = {
    "stopped": stopped,
    "restarted": restarted,
    "crashed": crashed,
    "sessions terminated": terminated,
    "network stalls": stalled,
    "network resets": reset,
    "network delays": delayed,
    "name unknown": unresolved,
    "too many connections": crowded,
    "read-only": read_only,
}
