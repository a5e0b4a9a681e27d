"""What holds for every migration of ours; test_rehearse_command.py has each pass its rehearsal."""

import io

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader
from django.test import override_settings

from apps.schema.pending import one_way
from tests.schema.shop import APP


def without_a_way_back(prefix: str) -> list[str]:
    """The migrations of the applications with this prefix that cannot go back and say nothing."""
    ours = {config.label for config in apps.get_app_configs() if config.name.startswith(prefix)}
    files = set(MigrationLoader(None).disk_migrations)
    return [said.migration for said in one_way({key for key in files if key[0] in ours})]


@pytest.mark.django_db
def test_the_models_are_what_the_migrations_lead_to() -> None:
    said = io.StringIO()
    call_command("makemigrations", check=True, dry_run=True, stdout=said)
    assert said.getvalue().strip() == "No changes detected"


def test_every_irreversible_operation_of_ours_is_declared() -> None:
    assert without_a_way_back("apps.") == []


def test_one_that_is_not_declared_is_found() -> None:
    with override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, APP]):
        assert without_a_way_back(APP) == ["shop.0041_no_way_back"]
