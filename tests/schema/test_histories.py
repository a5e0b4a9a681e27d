"""Files and records that do not fit, and squashed ones that do, as every command takes them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.schema.test_guard import ADDS, SLEEPS
from tests.schema.workshop import FIRST, Workshop
from tests.schema.world import World

SECOND = ADDS
THIRD = 'migrations.AddField("Item", "colour", models.TextField(null=True))'
NOTHING = SLEEPS.format(0)
SQUASHED = "0001_squashed_0002_price"
REPLACES = 'replaces = [("workshop", "0001_initial"), ("workshop", "0002_price")]\n    '


@pytest.fixture(scope="module")
def two_applied(gallery: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with the workshop's first two migrations."""
    with gallery.copy() as database:
        made = Workshop(gallery, tmp_path_factory.mktemp("two"), database)
        made.prepare()
        made.write("0002_price", SECOND)
        assert made.migrate().returncode == 0
        yield database


@pytest.fixture
def workshop(gallery: World, two_applied: str, tmp_path: Path) -> Iterator[Workshop]:
    with gallery.copy(two_applied) as database:
        made = Workshop(gallery, tmp_path, database)
        made.prepare()
        made.write("0002_price", SECOND)
        yield made


def run(workshop: Workshop, *words: str) -> "subprocess.CompletedProcess[str]":
    answer = workshop.world.run(workshop.database, *words, **workshop.variables)
    assert "Traceback" not in answer.stdout + answer.stderr, answer.stderr
    return answer


def refusals(workshop: Workshop, migrate: int = 1) -> tuple[str, str]:
    """What migrate and the rehearsal answer, each in one line."""
    first = run(workshop, "migrate")
    assert first.returncode == migrate, first.stderr
    second = run(workshop, "rehearse_migrations", "--from-live")
    assert second.returncode == 3, second.stdout
    for answer in (first, second):
        assert answer.stderr.strip().count("\n") == 0, answer.stderr
    return first.stderr.strip(), second.stderr.strip()


def drift(workshop: Workshop) -> dict[str, dict[str, Any]]:
    """The findings about the workshop's records, by kind."""
    answer = run(workshop, "drift", "--format", "json")
    found = json.loads(answer.stdout)["findings"]
    mine = ("django_migrations", "django_migrations.workshop")
    return {one["kind"]: one for one in found if ".".join(one["subject"].split(".")[:2]) in mine}


def planned(workshop: Workshop) -> dict[str, Any]:
    """The verdict of a control that reads the pending plan."""
    answer = run(workshop, "assess", "--control", "DATA-003.1", "--no-record", "--format", "json")
    (verdict,) = json.loads(answer.stdout)["verdicts"]
    return dict(verdict)


def squash(workshop: Workshop) -> None:
    """The two migrations in one that replaces them; their files stay, as Django recommends."""
    workshop.write(SQUASHED, f"{FIRST}, {SECOND}", after=None)
    path = workshop.path(SQUASHED)
    text = path.read_text()
    path.write_text(text.replace("dependencies = ", f"{REPLACES}dependencies = ", 1))


def test_a_history_out_of_order_is_one_sentence(workshop: Workshop) -> None:
    workshop.sql("DELETE FROM django_migrations WHERE app = 'workshop' AND name = '0001_initial'")
    migrate, rehearse = refusals(workshop)
    assert migrate == (
        "CommandError: Nothing was migrated: Migration workshop.0002_price is applied before its "
        "dependency workshop.0001_initial on database 'default'. Compare: "
        + migrate.rpartition("Compare: ")[2]
    )
    assert migrate.endswith("manage.py showmigrations --plan")
    assert rehearse.startswith(
        "CommandError: workshop.0002_price is applied before its dependency workshop.0001_initial. "
        "Compare: "
    )
    found = drift(workshop)["migration_inconsistent"]
    assert found["actual"] == "recorded before workshop.0001_initial, which it depends on"
    assert "showmigrations --plan" in found["remedy"]


def test_two_newest_migrations_are_one_sentence(workshop: Workshop) -> None:
    workshop.write("0003_after", NOTHING, after="0002_price")
    workshop.write("0003_beside", NOTHING, after="0002_price")
    migrate, rehearse = refusals(workshop)
    for said in (migrate, rehearse):
        assert "0003_after" in said
        assert "0003_beside" in said
        assert "makemigrations --merge" in said
    assert rehearse.startswith("CommandError: workshop has several last migrations (0003_after, ")
    assert "0003_after, 0003_beside" in drift(workshop)["migration_conflict"]["actual"]


def test_a_deleted_file_in_the_middle_is_one_sentence(workshop: Workshop) -> None:
    workshop.write("0003_after", NOTHING, after="0002_price")
    workshop.path("0002_price").unlink()
    for said in refusals(workshop):
        assert "workshop.0003_after dependencies reference nonexistent parent node" in said
        assert said.endswith("Its file is missing: bring it back from version control.")
    found = drift(workshop)
    assert "0002_price recorded, and there is no such file" in found["migration_missing"]["actual"]
    assert "nonexistent parent node" in found["migration_graph"]["actual"]
    verdict = planned(workshop)
    assert verdict["state"] == "unknown"
    assert "bring it back from version control" in verdict["reason"]
    plan = run(workshop, "migrate", "--plan")
    assert plan.returncode == 1
    assert "bring it back from version control" in plan.stderr
    lint = run(workshop, "lint_migrations", "workshop")
    assert lint.returncode == 1
    assert "bring it back from version control" in lint.stderr


@pytest.mark.parametrize("all_of_them", [False, True])
def test_a_database_newer_than_the_code_is_one_sentence(
    workshop: Workshop, all_of_them: bool
) -> None:
    workshop.path("0002_price").unlink()
    newest = "0001_initial"
    if all_of_them:
        workshop.path("0001_initial").unlink()
        newest = "none"
    else:
        workshop.write("0002_another", NOTHING)
        newest = "0002_another"
    said = run(workshop, "migrate")
    name = "0001_initial" if all_of_them else "0002_price"
    sentence = (
        "the database is newer than this code, or a file was deleted: it records "
        f"workshop.{name}, which has no file here; the newest of workshop is {newest}. Deploy the "
        "code that has it, or, if it is gone for good: "
    )
    assert sentence in said.stderr
    assert said.stderr.strip().endswith("migrate workshop --prune")
    if all_of_them:
        # Nothing is pending, so nothing can go wrong.
        assert said.returncode == 0
    else:
        assert said.returncode == 1
        refused = run(workshop, "rehearse_migrations", "--from-live")
        assert refused.returncode == 3
        assert sentence in refused.stderr
    assert "there is no such file" in drift(workshop)["migration_missing"]["actual"]


def test_a_squash_of_applied_migrations_is_applied_for_everybody(workshop: Workshop) -> None:
    squash(workshop)
    assert drift(workshop) == {}
    said = run(workshop, "rehearse_migrations", "--from-live", "--format", "json", "--no-record")
    assert json.loads(said.stdout)["migrations"] == []
    assert planned(workshop)["evidence"]["pending"] == []
    answer = run(workshop, "migrate")
    assert "No migrations to apply." in answer.stdout
    assert workshop.applied == ["0001_initial", "0002_price", SQUASHED]
    # A release later the files that it replaces go, and then its own list of them.
    for name in ("0001_initial", "0002_price"):
        workshop.path(name).unlink()
    assert drift(workshop) == {}
    workshop.write(SQUASHED, f"{FIRST}, {SECOND}", after=None)
    assert run(workshop, "migrate").returncode == 0
    workshop.write("0003_colour", THIRD, after=SQUASHED)
    assert planned(workshop)["evidence"]["pending"] == ["workshop.0003_colour"]
    said = run(workshop, "rehearse_migrations", "--from-live", "--format", "json")
    assert [one["name"] for one in json.loads(said.stdout)["migrations"]] == ["0003_colour"]
    assert run(workshop, "migrate").returncode == 0
    assert workshop.applied[-1] == "0003_colour"


def test_of_a_squash_that_is_half_applied_the_other_half_is_pending(workshop: Workshop) -> None:
    workshop.sql("DELETE FROM django_migrations WHERE app = 'workshop' AND name = '0002_price'")
    squash(workshop)
    assert planned(workshop)["evidence"]["pending"] == ["workshop.0002_price"]


def test_a_squash_is_what_an_empty_database_gets(gallery: World, tmp_path: Path) -> None:
    with gallery.copy() as database:
        made = Workshop(gallery, tmp_path, database)
        made.prepare()
        made.write("0002_price", SECOND)
        squash(made)
        assert planned(made)["evidence"]["pending"] == [f"workshop.{SQUASHED}"]
        said = run(made, "rehearse_migrations", "--from-live", "--format", "json", "--no-record")
        assert [one["name"] for one in json.loads(said.stdout)["migrations"]] == [SQUASHED]
        assert run(made, "migrate").returncode == 0
        assert drift(made) == {}
