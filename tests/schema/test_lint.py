"""The static half, on the corpus: what it finds by text alone, and what it must not say."""

import json

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

from apps.schema.lint import Lint, lint
from tests.schema.corpus.expected import EXPECTED
from tests.schema.shop import APP

# What no text shows: rows, sizes, Python code, a plan's other migrations.
UNSEEN = {
    "0036_delete_rows",
    "0038_overwrite_values",
    "0039_update_all_at_once",
    "0047_reverse_forgets",
}
# A table that another migration of the plan made, and one that has twenty rows.
FALSE_POSITIVES = {"0012_index_on_small_table", "0019_index_on_new_table"}


@pytest.fixture(scope="module")
def found(django_db_blocker: pytest.FixtureRequest) -> list[Lint]:
    with (
        django_db_blocker.unblock(),
        override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, APP]),
    ):
        return lint(["shop"])


def test_the_text_shows_these_hazards_and_no_others(found: list[Lint]) -> None:
    accused = {one.name for one in found}
    hazardous = {
        name for name, expected in EXPECTED.items() if expected.hazards - {"declared_irreversible"}
    }
    assert hazardous - accused == UNSEEN
    assert accused - hazardous == FALSE_POSITIVES


def test_a_table_made_in_the_same_migration_is_locked_by_nobody(found: list[Lint]) -> None:
    assert [one for one in found if one.name == "0005_create_model_with_foreign_key"] == []
    assert [one for one in found if one.name == "0001_initial"] == []


def test_a_declared_one_way_road_is_no_complaint(found: list[Lint]) -> None:
    assert {one.rule for one in found if one.name == "0041_no_way_back"} == {"SM016"}
    assert [one for one in found if one.name == "0042_declared_no_way_back"] == []


def test_our_own_migrations_are_clean(
    capsys: pytest.CaptureFixture[str], django_db_blocker: pytest.FixtureRequest
) -> None:
    with django_db_blocker.unblock():
        call_command("lint_migrations", "--format", "json")
    assert json.loads(capsys.readouterr().out) == {"findings": []}


def test_findings_are_an_exit_code(django_db_blocker: pytest.FixtureRequest) -> None:
    with (
        django_db_blocker.unblock(),
        override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, APP]),
        pytest.raises(CommandError, match="found. What they do to real rows") as error,
    ):
        call_command("lint_migrations", "shop")
    assert error.value.returncode == 1
