"""Facts about the functions that the database holds."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True)
class StoredFunction:
    """A function or procedure of a procedural language, with its text."""

    name: str
    language: str
    security_definer: bool
    source: str


def stored_functions(cursor: CursorWrapper) -> list[StoredFunction]:
    """The functions, by name, that are no system's and no extension's, in languages with text."""
    cursor.execute(
        """
        SELECT p.oid::regprocedure::text, l.lanname, p.prosecdef, p.prosrc
        FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        JOIN pg_catalog.pg_language l ON l.oid = p.prolang
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
          AND l.lanname NOT IN ('internal', 'c', 'sql')
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_proc'::regclass
                            AND d.objid = p.oid AND d.deptype = 'e')
        ORDER BY 1
        """
    )
    return [StoredFunction(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class FunctionText:
    """A function's signature and its text."""

    name: str
    source: str


def functions_with(cursor: CursorWrapper, word: str) -> list[FunctionText]:
    """The functions whose text holds the word, by name, SQL's too; no system's, no extension's."""
    cursor.execute(
        """
        SELECT p.oid::regprocedure::text, p.prosrc
        FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        JOIN pg_catalog.pg_language l ON l.oid = p.prolang
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
          AND l.lanname NOT IN ('internal', 'c') AND strpos(lower(p.prosrc), %s) > 0
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_proc'::regclass
                            AND d.objid = p.oid AND d.deptype = 'e')
        ORDER BY 1
        """,
        [word.lower()],
    )
    return [FunctionText(*row) for row in cursor.fetchall()]
