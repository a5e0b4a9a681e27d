"""Nobody gets by a side door what the app role is not given.

What PUBLIC may do, every role of the server may do, also those that somebody adds later. And a
function with its owner's rights works for whoever can slip it a table or an operator of the same
name, unless its search_path is closed.
"""

from collections.abc import Iterator

from apps.controls.control import CannotSee, Finding, Level, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import sequence, sql
from apps.database.facts.roles import (
    DefinerFunction,
    definer_functions,
    may_make_temporary_tables,
    places_to_create,
    public_rights,
    role_attributes,
)


def _grant(right: str, to: str = "PUBLIC") -> Specimen:
    verb, _, _ = right.partition(" ")
    name = right.rpartition(" ")[2]
    return Specimen(
        f"everybody may {verb} on {name}",
        plant=sql(f"GRANT {right} TO {to}"),
        repair=sql(f"REVOKE {right} FROM {to}"),
        near_miss=sql(f"GRANT {right} TO scratch_app"),
        subject=name,
    )


@control(
    "SEC-005.5",
    "PUBLIC has no right to this database",
    specimens=(
        _grant("CONNECT ON DATABASE holdfast_scratch"),
        _grant("CREATE ON SCHEMA public"),
        _grant("SELECT ON TABLE public.accounts_user"),
        _grant("UPDATE (email) ON TABLE public.accounts_user"),
    ),
)
def nothing_is_public(inspection: Inspection) -> Iterator[Finding]:
    rights = public_rights(inspection.cursor)
    inspection.evidence["public_rights"] = [f"{r.privilege} {r.name}" for r in rights][:50]
    for right in rights:
        yield Finding(
            Level.ERROR,
            "Every role of the server has a right here",
            right.name,
            f"PUBLIC has {right.privilege} on the {right.kind.lower()}.",
            f"REVOKE {right.privilege} ON {right.kind} {right.name} FROM PUBLIC;",
        )


_FUNCTION = (
    "CREATE FUNCTION public.planted() RETURNS bigint LANGUAGE sql SECURITY DEFINER {} "
    "AS 'SELECT count(*) FROM public.accounts_user'"
)


@control(
    "SEC-005.6",
    "No function lends its owner's rights to what its caller slips it",
    specimens=(
        Specimen(
            "the caller decides where it looks",
            plant=sql(_FUNCTION.format("")),
            repair=sql("ALTER FUNCTION public.planted() SET search_path = pg_catalog, public"),
            near_miss=sql(
                _FUNCTION.format(""), "REVOKE EXECUTE ON FUNCTION public.planted() FROM PUBLIC"
            ),
            subject="public.planted()",
        ),
        Specimen(
            "it looks where the app role may create",
            plant=sequence(
                sql("CREATE SCHEMA playground", "GRANT CREATE ON SCHEMA playground TO scratch_app"),
                sql(_FUNCTION.format("SET search_path = pg_catalog, playground")),
            ),
            repair=sql("REVOKE CREATE ON SCHEMA playground FROM scratch_app"),
            near_miss=sql(_FUNCTION.format("SET search_path = pg_catalog, public")),
            subject="public.planted()",
        ),
        Specimen(
            "temporary tables come first",
            plant=sequence(
                sql("GRANT TEMPORARY ON DATABASE holdfast_scratch TO scratch_app"),
                sql(_FUNCTION.format("SET search_path = pg_catalog, public")),
            ),
            repair=sql(
                "ALTER FUNCTION public.planted() SET search_path = pg_catalog, public, pg_temp"
            ),
            near_miss=sql(
                "GRANT TEMPORARY ON DATABASE holdfast_scratch TO scratch_app",
                _FUNCTION.format("").replace("DEFINER", "INVOKER"),
            ),
            subject="public.planted()",
        ),
    ),
)
def functions_look_where_they_should(inspection: Inspection) -> Iterator[Finding]:
    role = inspection.app_role
    if role_attributes(inspection.cursor, role) is None:
        raise CannotSee(f"The server has no role {role}.")
    functions = definer_functions(inspection.cursor, role)
    schemas = [place for place in places_to_create(inspection.cursor, role) if "schema " in place]
    writable = {place.partition(" ")[2] for place in schemas} | {"$user"}
    temporary = may_make_temporary_tables(inspection.cursor, role)
    inspection.evidence.update(
        functions={f.signature: f.search_path for f in functions}, temporary_tables=temporary
    )
    for function in functions:
        problem = _open(function, writable, temporary=temporary)
        if problem:
            yield Finding(
                Level.ERROR,
                "A function with its owner's rights has an open search_path",
                function.signature,
                f"It works as {function.owner}, and {problem}.",
                f"ALTER FUNCTION {function.signature} SET search_path = pg_catalog, pg_temp; and "
                "qualify the names in its body.",
            )


def _open(function: DefinerFunction, writable: set[str], *, temporary: bool) -> str:
    """What lets a caller choose the objects that the function meets; empty when nothing does."""
    path = function.search_path
    if path is None:
        return "its caller's search_path holds"
    shared = sorted(set(path) & writable)
    if shared:
        return f"it looks in {shared[0]}, where the app role may create"
    if temporary and path[-1:] != ("pg_temp",):
        return "it looks at temporary tables first, because pg_temp is not the last of its path"
    return ""
