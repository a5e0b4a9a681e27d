"""No secret leaves the process; with redaction off the same sweep finds it in many places."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands
from psycopg.sql import SQL, Identifier, Literal

from apps.database.embedded import scratch_cluster
from apps.database.roles import provision
from config.variables import VARIABLES
from drills.canary import (
    CANARIES,
    CREDENTIALS,
    DATABASE,
    NOT_RUN,
    OFF,
    ON,
    STRANGER,
    World,
    command_places,
    hits,
    page_places,
    process_list,
    server_log,
    server_places,
    spoken_places,
    stored_places,
)
from drills.clone import copy_project

FEWEST_WITHOUT_REDACTION = 10


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A server that logs every statement, and a register with an administrator and a backup."""
    with (
        tempfile.TemporaryDirectory(prefix="holdfast-drill-", dir="/tmp") as folder,
        scratch_cluster(settings={"log_statement": "all"}) as cluster,
    ):
        project = Path(folder) / "project"
        project.mkdir()
        copy_project(project)
        with cluster.connect() as admin:
            provision(admin, DATABASE, CREDENTIALS)
            role = Identifier(STRANGER)
            # The server's log has every statement, and is swept too.
            verifier = admin.pgconn.encrypt_password(
                CANARIES["assessed"].encode(), STRANGER.encode(), b"scram-sha-256"
            ).decode()
            admin.execute(SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, Literal(verifier)))
            admin.execute(
                SQL("GRANT CONNECT ON DATABASE {} TO {}").format(Identifier(DATABASE), role)
            )
        made = World(cluster, project, Path(folder))
        for command in (
            ("migrate", "--verbosity", "0"),
            ("create_first_administrator",),
            ("import_profile", "docs/risk-profile.md"),
        ):
            made.manage(*command)
        yield made


def count(places: Iterable[tuple[str, str]]) -> Counter[str]:
    """Hits by place."""
    found: Counter[str] = Counter()
    for place, text in places:
        found[place] += hits(text)
    return found


def all_places(world: World) -> Iterator[tuple[str, str]]:
    names = sorted(set(get_commands()) - set(NOT_RUN))
    with process_list() as processes:
        yield from command_places(world, names)
        yield "manage.py dbbackup", world.manage("dbbackup")
        yield "manage.py provision_roles --commit", world.manage("provision_roles", "--commit")
        yield server_log(world)
        yield from spoken_places(world)
        yield from page_places(world, debug=False)
        yield from page_places(world, debug=True)
        yield from server_places(world)
    yield "the process list", "\n".join(processes)
    yield from stored_places(world)


def test_every_secret_variable_is_planted(world: World) -> None:
    ways = [world.variables(way) for way in ("url", "parts", "files")] + [world.assessed()]
    planted = {name for variables in ways for name in variables}
    assert {variable.name for variable in VARIABLES if variable.secret} <= planted


def test_no_secret_leaves_the_process(world: World, report: list[str]) -> None:
    world.settings = ON
    found = count(all_places(world))
    report.append(f"canary sweep, redaction on: {sum(found.values())} hits in {len(found)} places")
    report.append("  " + " · ".join(found))
    assert {place: number for place, number in found.items() if number} == {}


def test_without_redaction_the_sweep_finds_it(world: World, report: list[str]) -> None:
    world.settings = OFF
    found = count(
        place
        for part in (
            spoken_places(world),
            page_places(world, debug=False),
            page_places(world, debug=True),
            server_places(world),
        )
        for place in part
    )
    told = {place: number for place, number in found.items() if number}
    report.append(
        f"canary sweep, redaction off: {sum(told.values())} hits in {len(told)} places of "
        f"{len(found)}: " + " · ".join(f"{place} {number}" for place, number in told.items())
    )
    assert len(told) >= FEWEST_WITHOUT_REDACTION
