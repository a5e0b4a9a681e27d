"""Facts about the extensions that a server offers."""

from collections.abc import Iterable

from django.db.backends.utils import CursorWrapper


def available_extensions(cursor: CursorWrapper) -> set[str]:
    """The names of the extensions that the server's machine has."""
    cursor.execute("SELECT name FROM pg_catalog.pg_available_extensions")
    return {row[0] for row in cursor.fetchall()}


def for_superusers_only(cursor: CursorWrapper, names: Iterable[str]) -> list[str]:
    """Which of the extensions only a superuser may create, in order; those that are trusted not."""
    cursor.execute(
        """
        SELECT v.name FROM pg_catalog.pg_available_extension_versions v
        JOIN pg_catalog.pg_available_extensions e
          ON e.name = v.name AND e.default_version = v.version
        WHERE v.superuser AND NOT v.trusted AND v.name = ANY(%s) ORDER BY 1
        """,
        [list(names)],
    )
    return [row[0] for row in cursor.fetchall()]
