"""Puts a restored database in the place of another: two renames in one transaction."""

import threading
from contextlib import closing, suppress
from types import TracebackType
from typing import Self

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Composable, Identifier, Literal

from apps.database.connection import open_wrapper
from apps.database.facts.server import session_role
from apps.database.facts.sessions import ClientSession, client_sessions
from config.database import DatabaseEntry

# Their stored text is a list already: quoted once more it would be one long name.
LISTS = {
    "search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries",
}  # fmt: skip
TERMINATE = "SELECT pg_catalog.pg_terminate_backend(%s)"
ACL = """
    SELECT coalesce(r.rolname, ''), a.privilege_type, a.is_grantable
    FROM pg_catalog.pg_database d,
         pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
    WHERE d.datname = %s ORDER BY 1, 2
"""
SETTINGS = """
    SELECT coalesce(r.rolname, ''), pg_catalog.unnest(s.setconfig)
    FROM pg_catalog.pg_db_role_setting s
    JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
    WHERE d.datname = %s ORDER BY 1, 2
"""


def swap(admin: DatabaseEntry, target: str, beside: str, old: str) -> None:
    """Call `beside` `target`, and `target` `old`; all or nothing, with no session left in either.

    While the renames wait for the sessions to end, new ones wait for the renames.
    """
    with closing(open_wrapper(admin)) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        carry_over(cursor, target, beside)
        with Evictor(admin, target):
            cursor.execute(_rename(target, old))
            cursor.execute(_rename(beside, target))
            cursor.execute("COMMIT")


def rename(cursor: CursorWrapper, name: str, wanted: str) -> None:
    cursor.execute(_rename(name, wanted))


def _rename(name: str, wanted: str) -> Composable:
    return SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(name), Identifier(wanted))


def carry_over(cursor: CursorWrapper, source: str, target: str) -> None:
    """Give a database the owner, privileges, limit, comment and settings of another.

    No dump has them: they belong to the server.
    """
    cursor.execute(
        """
        SELECT pg_catalog.pg_get_userbyid(datdba), datconnlimit,
               pg_catalog.shobj_description(oid, 'pg_database')
        FROM pg_catalog.pg_database WHERE datname = %s
        """,
        [source],
    )
    owner, limit, comment = cursor.fetchone()
    name = Identifier(target)
    cursor.execute(SQL("ALTER DATABASE {} OWNER TO {}").format(name, Identifier(owner)))
    cursor.execute(SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(name, Literal(int(limit))))
    cursor.execute(SQL("COMMENT ON DATABASE {} IS {}").format(name, Literal(comment)))
    _carry_privileges(cursor, source, target)
    _carry_settings(cursor, source, target)


def _carry_privileges(cursor: CursorWrapper, source: str, target: str) -> None:
    name = Identifier(target)
    for role in sorted({role for role, _, _ in _rows(cursor, ACL, target)} | {""}):
        cursor.execute(SQL("REVOKE ALL ON DATABASE {} FROM {}").format(name, _grantee(role)))
    for role, privilege, grantable in _rows(cursor, ACL, source):
        statement = SQL("GRANT {} ON DATABASE {} TO {}{}").format(
            # sql-reviewed: aclexplode() has a fixed list of words.
            SQL(privilege),
            name,
            _grantee(role),
            SQL(" WITH GRANT OPTION" if grantable else ""),
        )
        cursor.execute(statement)


def _carry_settings(cursor: CursorWrapper, source: str, target: str) -> None:
    for role, text in _rows(cursor, SETTINGS, source):
        setting, _, value = text.partition("=")
        if role:
            place = SQL("ALTER ROLE {} IN DATABASE {}").format(Identifier(role), Identifier(target))
        else:
            place = SQL("ALTER DATABASE {}").format(Identifier(target))
        name = SQL(".").join(Identifier(part) for part in setting.split("."))
        try:
            if setting in LISTS:
                cursor.execute("SELECT pg_catalog.set_config(%s, %s, true)", [setting, value])
                cursor.execute(SQL("{} SET {} FROM CURRENT").format(place, name))
            else:
                cursor.execute(SQL("{} SET {} = {}").format(place, name, Literal(value)))
        except DatabaseError as error:
            raise DatabaseError(_why_not_carried(source, role, setting, error)) from None


def _why_not_carried(database: str, role: str, setting: str, error: DatabaseError) -> str:
    said = str(error).strip().splitlines()[0]
    whose = f"{role} in {database}" if role else database
    wanted = (
        f'an administrator with CREATEROLE, and GRANT "{role}" TO it WITH ADMIN OPTION;'
        if role
        else f"GRANT SET ON PARAMETER {setting} TO the administrator;"
    )
    return (
        f"The setting {setting} of {whose} cannot be carried over: {said}. Expected: a superuser "
        f"in DATABASE_ADMIN_URL, or {wanted}"
    )


def _rows(cursor: CursorWrapper, question: str, database: str) -> list[tuple[str, ...]]:
    # sql-reviewed: the two questions stand above; the database travels as a parameter.
    cursor.execute(question, [database])
    return list(cursor.fetchall())


def _grantee(role: str) -> Composable:
    return Identifier(role) if role else SQL("PUBLIC")


def why_not_ended(database: str, admin: str, session: ClientSession) -> str:
    wanted = (
        "that it ends, or a superuser in DATABASE_ADMIN_URL"
        if session.superuser
        else f'GRANT pg_signal_backend TO "{admin}";'
    )
    return (
        f"Sessions of {database} cannot be ended: {admin} may not end one of {session.role}. "
        f"Expected: {wanted}"
    )


class Evictor:
    """Ends a database's sessions for as long as the block lasts."""

    def __init__(self, admin: DatabaseEntry, database: str) -> None:
        self._admin, self._database = admin, database
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="holdfast-evictor", daemon=True)
        self.refused: str | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        if isinstance(error, DatabaseError) and self.refused:
            raise DatabaseError(self.refused) from None

    def _work(self) -> None:
        with (
            suppress(DatabaseError),
            closing(open_wrapper(self._admin)) as connection,
            connection.cursor() as cursor,
        ):
            admin = session_role(cursor)
            while not self._stop.wait(0.02):
                for session in client_sessions(cursor, self._database):
                    if session.endable:
                        with suppress(DatabaseError):
                            cursor.execute(TERMINATE, [session.pid])
                    else:
                        self.refused = why_not_ended(self._database, admin, session)
