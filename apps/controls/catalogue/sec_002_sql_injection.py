"""Nothing that somebody types becomes part of a statement.

Values travel beside a statement, as parameters; names are composed with psycopg.sql. What joins
text to a statement instead is found by reading: the project's Python, migrations and the apps of a
team among it, and the functions that the database holds.
"""

from collections.abc import Iterator

from apps.controls.control import CannotSee, Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import append, original, remove, sql
from apps.database.dynamic_sql import joined_statements
from apps.database.facts.functions import stored_functions
from apps.database.formatted_sql import python_files, scan
from config.env import BASE_DIR

# What a service is made of; bench and drills are not there when it runs.
PLACES = ("apps", "config", "manage.py")
_VIEWS = "apps/web/views.py"
_ADDED = "apps/planted/migrations/0001_initial.py"
_DROP = "DROP FUNCTION public.planted(text)"


def _function(body: str, attributes: str = "") -> str:
    return (
        "CREATE OR REPLACE FUNCTION public.planted(name text) RETURNS void LANGUAGE plpgsql "
        f"{attributes} AS $function$ {body} $function$"
    )


@control(
    "SEC-002.1",
    "The project's code formats no statement",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a value formatted into a statement",
            plant=append(
                _VIEWS,
                "\n\ndef planted(cursor: Any, code: str) -> None:\n"
                "    cursor.execute(f\"SELECT 1 FROM risks_risk WHERE code = '{code}'\")\n",
            ),
            repair=original(_VIEWS),
            near_miss=append(
                _VIEWS,
                "\n\ndef planted(cursor: Any, code: str) -> None:\n"
                '    cursor.execute("SELECT 1 FROM risks_risk " + "WHERE code = %s", [code])\n',
            ),
            subject=_VIEWS,
            peer=True,
        ),
        Specimen(
            "a percent sign in a raw query",
            plant=append(
                _VIEWS,
                "\n\ndef planted(code: str) -> Any:\n"
                '    return Risk.objects.raw("SELECT * FROM risks_risk WHERE code = %s" % code)\n',
            ),
            repair=original(_VIEWS),
            near_miss=append(
                _VIEWS,
                "\n\ndef planted(code: str) -> Any:\n"
                '    return Risk.objects.raw("SELECT * FROM risks_risk WHERE code=%s", [code])\n',
            ),
            subject=_VIEWS,
            peer=True,
        ),
        Specimen(
            "a formatted statement in a migration of a new app",
            plant=append(_ADDED, 'RunSQL("DROP TABLE {}".format(TABLE_FROM_SETTINGS))\n'),
            repair=remove(_ADDED),
            near_miss=append(
                _ADDED,
                'cursor.execute(SQL("DROP TABLE {}").format(Identifier(TABLE_FROM_SETTINGS)))\n',
            ),
            subject=_ADDED,
            peer=True,
        ),
    ),
)
def code_formats_no_statement(inspection: Inspection) -> Iterator[Finding]:
    inspection.evidence["files"] = len(python_files(BASE_DIR, PLACES))
    for place in scan(BASE_DIR, PLACES):
        yield Finding(
            Level.ERROR,
            "A statement is formatted",
            f"{place.path}:{place.line}",
            place.problem,
            place.remedy,
        )


@control(
    "SEC-002.2",
    "No function of the database executes text that it joined",
    specimens=(
        Specimen(
            "a parameter joined to a statement, with the owner's powers",
            plant=sql(_function("BEGIN EXECUTE 'ANALYZE ' || name; END", "SECURITY DEFINER")),
            repair=sql(_DROP),
            near_miss=sql(
                _function("BEGIN EXECUTE 'ANALYZE ' || quote_ident(name); END", "SECURITY DEFINER")
            ),
            subject="planted(text)",
        ),
        Specimen(
            "format that quotes nothing, through a variable",
            plant=sql(
                _function(
                    "DECLARE query text; BEGIN "
                    "query := format('SELECT 1 WHERE ''a'' = ''%s''', name); EXECUTE query; END"
                )
            ),
            repair=sql(
                _function(
                    "DECLARE query text; BEGIN "
                    "query := format('SELECT 1 WHERE ''a'' = %L', name); EXECUTE query; END"
                )
            ),
            near_miss=sql(
                _function(
                    "BEGIN EXECUTE format('SELECT 1 FROM pg_class WHERE %I = $1', 'relname') "
                    "USING name; RAISE NOTICE '%', 'EXECUTE ' || name; END"
                )
            ),
            subject="planted(text)",
        ),
    ),
)
def functions_join_no_statement(inspection: Inspection) -> Iterator[Finding]:
    functions = stored_functions(inspection.cursor)
    unread = [item.name for item in functions if item.language != "plpgsql"]
    inspection.evidence.update(functions=len(functions), unread=unread[:50])
    found = False
    for function in functions:
        joined = [] if function.name in unread else joined_statements(function.source)
        for expression in joined:
            found = True
            powers = "its owner's" if function.security_definer else "its caller's"
            yield Finding(
                Level.ERROR if function.security_definer else Level.WARNING,
                "A function executes text that it joined",
                function.name,
                f"With {powers} powers it executes {expression[:200]}",
                "Give values with USING, and names with format('… %I …', name).",
            )
    if unread and not found:
        raise CannotSee(f"{unread[0]} is not written in PL/pgSQL, which alone is read here.")
