"""Where rows are somebody's, the policies that say so hold, also for who passes by a side door.

A policy on a table whose row security is off is a text without effect. A table's owner, and a view
that reads as its owner, pass by policies unless told otherwise.
"""

from collections.abc import Iterator

from apps.controls.control import Finding, Level, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import sequence, sql
from apps.database.facts.row_security import acts_as, passing_views, secured_tables

_ROWS = sql(
    "CREATE TABLE public.planted (owner name DEFAULT current_user, content text)",
    "ALTER TABLE public.planted OWNER TO scratch_owner",
    "GRANT SELECT, INSERT ON public.planted TO scratch_app",
)
_POLICY = "CREATE POLICY own_rows ON public.planted USING (owner = current_user)"
_ON = "ALTER TABLE public.planted ENABLE ROW LEVEL SECURITY"
_FORCED = "ALTER TABLE public.planted FORCE ROW LEVEL SECURITY"
# Membership lasts over a fresh database, and cannot go both ways.
_MEMBER = sql("REVOKE scratch_app FROM scratch_owner", "GRANT scratch_owner TO scratch_app")
_SECURED = sequence(_ROWS, sql(_POLICY, _ON))


@control(
    "SEC-005.7",
    "Row security is on where there are policies, and holds for the service",
    specimens=(
        Specimen(
            "policies that nobody applies",
            plant=sequence(_ROWS, sql(_POLICY)),
            repair=sql(_ON),
            near_miss=_SECURED,
            subject="public.planted",
        ),
        Specimen(
            "switched on, and no policy lets anybody see a row",
            plant=sequence(_ROWS, sql(_ON)),
            repair=sql(_POLICY),
            near_miss=sequence(
                _ROWS, sql(_ON, _POLICY, "CREATE POLICY o ON planted FOR INSERT WITH CHECK (true)")
            ),
            subject="public.planted",
        ),
        Specimen(
            "the service owns the table, so no policy holds for it",
            plant=sequence(_SECURED, sql("ALTER TABLE public.planted OWNER TO scratch_app")),
            repair=sql(_FORCED),
            near_miss=sequence(_SECURED, sql("GRANT ALL ON public.planted TO scratch_app")),
            subject="public.planted",
        ),
        Specimen(
            "the service belongs to the owner",
            plant=sequence(_SECURED, _MEMBER),
            repair=sql("REVOKE scratch_owner FROM scratch_app"),
            near_miss=sequence(_SECURED, _MEMBER, sql(_FORCED)),
            subject="public.planted",
        ),
    ),
)
def policies_hold(inspection: Inspection) -> Iterator[Finding]:
    role = inspection.app_role
    tables = secured_tables(inspection.cursor)
    inspection.evidence.update(
        role=role,
        tables={t.name: {"on": t.on, "forced": t.forced, "policies": t.policies} for t in tables},
    )
    for table in tables:
        if not table.on:
            yield Finding(
                Level.ERROR,
                "Policies without effect",
                table.name,
                f"It has {table.policies} policies, and row security is off: everybody with "
                "SELECT sees every row.",
                f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY;",
            )
        elif not table.policies:
            yield Finding(
                Level.WARNING,
                "Row security without policies",
                table.name,
                "Nobody but its owner sees a row of it.",
                f"CREATE POLICY … ON {table.name} USING (…); or ALTER TABLE {table.name} DISABLE "
                "ROW LEVEL SECURITY;",
            )
        elif not table.forced and acts_as(inspection.cursor, role, table.owner):
            yield Finding(
                Level.ERROR,
                "The service passes by row security",
                table.name,
                f"{role} has the rights of its owner {table.owner}, whom policies spare.",
                f"ALTER TABLE {table.name} FORCE ROW LEVEL SECURITY; or give the service a role "
                "that owns nothing.",
            )


_VIEW = "CREATE VIEW public.planted_view AS SELECT content FROM public.planted"
_READS = "GRANT SELECT ON public.planted_view TO scratch_app"


@control(
    "SEC-005.8",
    "No view shows the service the rows that policies hide from it",
    specimens=(
        Specimen(
            "a superuser's view",
            plant=sequence(_SECURED, sql(_VIEW, _READS)),
            repair=sql("ALTER VIEW public.planted_view OWNER TO scratch_auditor"),
            near_miss=sequence(_SECURED, sql(_VIEW)),
            subject="public.planted_view",
        ),
        Specimen(
            "the owner's view, because row security is not forced",
            plant=sequence(
                _SECURED,
                sql(_VIEW, _READS, "ALTER VIEW public.planted_view OWNER TO scratch_owner"),
            ),
            repair=sql(_FORCED),
            near_miss=sequence(
                _SECURED,
                sql(
                    _VIEW.replace(" AS", " WITH (security_invoker = true) AS"),
                    _READS,
                    "ALTER VIEW public.planted_view OWNER TO scratch_owner",
                ),
            ),
            subject="public.planted_view",
        ),
    ),
)
def no_view_passes_by(inspection: Inspection) -> Iterator[Finding]:
    found = passing_views(inspection.cursor, inspection.app_role)
    inspection.evidence.update(role=inspection.app_role, views=[seen.view for seen in found])
    for seen in found:
        yield Finding(
            Level.ERROR,
            "A view passes by row security",
            seen.view,
            f"It reads {seen.table} as {seen.owner}, for whom the policies do not hold.",
            f"ALTER VIEW {seen.view} SET (security_invoker = true); before PostgreSQL 15: give it "
            "an owner for whom they hold.",
        )
