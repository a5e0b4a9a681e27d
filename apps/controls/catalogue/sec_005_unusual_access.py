"""Whoever comes for the first time is noticed: a role, an address, a program.

Who came before stands in the evidence of earlier assessments, so the first one has nothing to
compare with and says so. What is new is reported once, by the assessment that records it; what it
was stays in the evidence for good.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from apps.controls.control import CannotSee, Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection, sees_monitoring
from apps.controls.planting import (
    command,
    end_sessions,
    open_session,
    sequence,
    sql,
)
from apps.database.facts.visitors import visitors

if TYPE_CHECKING:
    from apps.controls.scratch import Scratch

KINDS = ("roles", "addresses", "applications")
_REMEDIES = {
    "roles": 'If nobody knows it: ALTER ROLE "{}" NOLOGIN; then find out who made it.',
    "addresses": "If nobody knows {}: close it out in pg_hba.conf or the firewall.",
    "applications": "If nobody knows {}: SELECT * FROM pg_stat_activity; says who runs it.",
}


def _drop_newcomer(scratch: "Scratch") -> None:
    """Roles are the server's, not the database's: a fresh database would still have it."""
    with scratch.connect("superuser") as admin:
        admin.execute("DROP ROLE IF EXISTS newcomer")


_BASELINE = sequence(_drop_newcomer, command("assess", "--control", "SEC-005.9"))


@control(
    "SEC-005.9",
    "Nobody came who never came before",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a role that nobody knows",
            plant=sequence(_BASELINE, sql("CREATE ROLE newcomer LOGIN")),
            repair=_drop_newcomer,
            near_miss=sequence(_BASELINE, sql("ALTER ROLE scratch_app CONNECTION LIMIT 40")),
            subject="role newcomer",
            peer=True,
        ),
        Specimen(
            "a program that nobody knows",
            plant=sequence(_BASELINE, open_session("app", name="exporter")),
            repair=end_sessions,
            # The same program with another number, which a worker's or a request's is.
            near_miss=sequence(
                open_session("app", name="worker 17"),
                _BASELINE,
                end_sessions,
                open_session("app", name="worker 4711"),
            ),
            subject="application exporter",
            peer=True,
        ),
        Specimen(
            "an address that nobody knows",
            plant=sequence(_BASELINE, open_session("owner", name="peer", sslmode="require")),
            repair=end_sessions,
            near_miss=sequence(
                open_session("owner", name="peer", sslmode="require"),
                _BASELINE,
                end_sessions,
                open_session("owner", name="peer", sslmode="require"),
            ),
            subject="127.0.0.1",
            needs="tls",
            peer=True,
        ),
    ),
)
def nobody_is_new(inspection: Inspection) -> Iterator[Finding]:
    before: dict[str, list[str]] = inspection.previous("SEC-005.9").get("known", {})
    # Carried on first, so that an assessment that cannot see does not forget.
    inspection.evidence["known"] = before
    sees_monitoring(inspection)
    now = vars(visitors(inspection.cursor))
    known = {kind: set(before.get(kind, ())) for kind in KINDS}
    new = {kind: sorted(set(now[kind]) - known[kind]) for kind in KINDS}
    inspection.evidence["known"] = {kind: sorted(known[kind] | set(now[kind])) for kind in KINDS}
    if not before:
        raise CannotSee(
            "There is no earlier assessment to compare with; this one, when it is recorded, is "
            f"the baseline: {len(now['roles'])} roles, {len(now['addresses'])} addresses, "
            f"{len(now['applications'])} applications.",
            "Assess again.",
        )
    inspection.evidence["new"] = new
    for kind, singular in zip(KINDS, ("role", "address", "application"), strict=True):
        for name in new[kind]:
            yield Finding(
                Level.ERROR if kind == "roles" else Level.WARNING,
                "Somebody is here for the first time",
                f"{singular} {name}",
                f"No earlier assessment saw the {singular} {name}; the next one knows it.",
                _REMEDIES[kind].format(name),
            )
