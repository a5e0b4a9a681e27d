"""Whether a session is PostgreSQL's own, or one that a pooler lends from query to query."""

from typing import cast

import psycopg
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

# PgBouncer's words for start-up options, which every address but app's carries.
REFUSED_OPTIONS = "unsupported startup parameter"


class PooledAddress(OperationalError):
    """The address leads to a pooler, where a session of its own was needed."""

    def __init__(self) -> None:
        super().__init__(
            "the address leads through a connection pooler; migrations, backups and assessments "
            "need PostgreSQL itself. Set DATABASE_OWNER_URL and DATABASE_AUDITOR_URL to its own "
            "host and port; only DATABASE_URL may lead to PgBouncer."
        )


def is_direct(connection: BaseDatabaseWrapper) -> bool:
    """Whether the process that the connection was given at its start serves its queries.

    A pooler makes the number up that it gives its clients for cancelling.
    """
    connection.ensure_connection()
    given = cast("psycopg.Connection", connection.connection).info.backend_pid
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.pg_backend_pid()")
        return bool(cursor.fetchone()[0] == given)


def require_direct(connection: BaseDatabaseWrapper) -> None:
    """Raise PooledAddress when the connection leads through a pooler."""
    try:
        direct = is_direct(connection)
    except OperationalError as error:
        if REFUSED_OPTIONS in str(error):
            raise PooledAddress from None
        raise
    if not direct:
        raise PooledAddress
