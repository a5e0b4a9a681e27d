"""Among what verdicts are given: versions, the schema, the pool, what the database is joined to."""

import platform
from importlib.metadata import version
from typing import Any

import django
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from apps.database.facts.server import extensions, server_version
from apps.database.facts.shape import schema_digest

# Whose versions the profile's authors want to hear of.
DISTRIBUTIONS = ("psycopg", "psycopg-pool", "django-dbbackup", "django-health-check", "gunicorn")
# Reading an index's definition waits for whoever locks its table.
LOCK_TIMEOUT, STATEMENT_TIMEOUT = "250ms", "5s"


def surroundings(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    """What stands around an assessment now, as JSON; a part that cannot be seen is None.

    Outside a transaction. Raises DatabaseError only when the server does not answer at all.
    """
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        server, joined = server_version(cursor), _joined(cursor)
    return {
        "versions": {**_versions(), "PostgreSQL": server},
        "schema": _schema(connection),
        "pool": _pool(),
        "joined": joined,
    }


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), "Django": django.get_version()}
    return found | {name: version(name) for name in DISTRIBUTIONS}


def _schema(connection: BaseDatabaseWrapper) -> str | None:
    """The schema's digest; None when a lock or time is not given."""
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(
                "SELECT pg_catalog.set_config('lock_timeout', %s, true),"
                " pg_catalog.set_config('statement_timeout', %s, true)",
                [LOCK_TIMEOUT, STATEMENT_TIMEOUT],
            )
            return schema_digest(cursor)
    except DatabaseError:
        return None


def _pool() -> dict[str, Any]:
    entry = settings.DATABASES[DEFAULT_DB_ALIAS]
    pool = entry["OPTIONS"].get("pool")
    found = {
        "mode": settings.DATABASE_POOL_MODE,
        "interface": settings.WEB_INTERFACE,
        "processes": settings.WEB_CONCURRENCY,
        "threads": settings.WEB_THREADS,
        "replicas": settings.WEB_REPLICAS,
        "connection max age": entry.get("CONN_MAX_AGE"),
    }
    numbers = pool if isinstance(pool, dict) else {}
    return found | {
        f"pool {name}": value for name, value in numbers.items() if isinstance(value, int | float)
    }


def _joined(cursor: CursorWrapper) -> dict[str, list[str]]:
    """The databases of the settings, and what extensions and foreign servers join this one to."""
    cursor.execute("SELECT srvname FROM pg_catalog.pg_foreign_server ORDER BY 1")
    servers = [str(row[0]) for row in cursor.fetchall()]
    return {
        "databases": sorted(settings.DATABASES),
        "extensions": sorted(extensions(cursor)),
        "foreign servers": servers,
    }
