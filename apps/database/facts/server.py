"""Facts about the server and this session."""

from django.db.backends.utils import CursorWrapper


def server_version(cursor: CursorWrapper) -> str:
    """Such as `18.6`."""
    cursor.execute("SELECT pg_catalog.current_setting('server_version')")
    return str(cursor.fetchone()[0]).split()[0]


def session_role(cursor: CursorWrapper) -> str:
    """The role whose privileges this session has."""
    cursor.execute("SELECT current_user")
    return str(cursor.fetchone()[0])


def setting(cursor: CursorWrapper, name: str) -> str | None:
    """A server setting as text, as this session sees it; None when it is hidden or unknown."""
    cursor.execute("SELECT pg_catalog.current_setting(%s, true)", [name])
    value = cursor.fetchone()[0]
    return None if value is None else str(value)


def integer_setting(cursor: CursorWrapper, name: str) -> int:
    """A numeric server setting in its own unit."""
    cursor.execute("SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = %s", [name])
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def extensions(cursor: CursorWrapper) -> dict[str, str]:
    """Versions of the installed extensions by name."""
    cursor.execute("SELECT extname, extversion FROM pg_catalog.pg_extension ORDER BY 1")
    return dict(cursor.fetchall())


def extension_schema(cursor: CursorWrapper, name: str) -> str | None:
    """The schema that an installed extension's functions lie in; None when it is not installed."""
    cursor.execute(
        """
        SELECT n.nspname FROM pg_catalog.pg_extension e
        JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = %s
        """,
        [name],
    )
    row = cursor.fetchone()
    return None if row is None else str(row[0])


def locale(cursor: CursorWrapper) -> dict[str, str]:
    """The database's encoding, provider (libc, icu, builtin), collate, ctype and the provider's
    own name of the locale, empty with libc."""
    cursor.execute(
        """
        SELECT pg_catalog.pg_encoding_to_char(encoding), to_jsonb(d) ->> 'datlocprovider',
               datcollate, datctype,
               coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', '')
        FROM pg_catalog.pg_database d WHERE datname = pg_catalog.current_database()
        """
    )
    encoding, provider, collate, ctype, name = cursor.fetchone()
    # The column is there since PostgreSQL 15.
    named = {"c": "libc", "i": "icu", "b": "builtin", None: "libc"}[provider]
    return {
        "encoding": encoding, "provider": named, "collate": collate, "ctype": ctype, "name": name,
    }  # fmt: skip
