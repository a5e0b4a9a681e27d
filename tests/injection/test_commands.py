"""Whatever a command is given, a role is called or a profile says is data, and stays what it is."""

import argparse
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.test import Client
from django.utils.html import escape
from psycopg.sql import SQL, Identifier

from apps.database.roles import Credential, Roles, plan, provision
from apps.database.server import Cluster
from apps.risks.models import Risk
from apps.risks.store import store
from tests import environment
from tests.config.addresses import entry_of
from tests.injection.conftest import Watch, quick
from tests.injection.payloads import FEW, PAYLOADS, SCRIPT, storable
from tests.risks.corpus import read_string

pytestmark = pytest.mark.django_db(transaction=True)

OURS = sorted(name for name, app in get_commands().items() if app.startswith("apps."))
# What every command of Django has.
COMMON = {action.dest for action in BaseCommand().create_parser("manage.py", "any")._actions}
# What happens to a wrong argument is the library's own.
LIBRARY = {"dbbackup", "dbrestore", "listbackups"}
# Any text is a reason.
FREE = {("migrate", "--no-backup")}
# Each try starts a process or loads every migration: fewer payloads, of those that would show.
TRIES = {"dbbackup": FEW[::5], "dbrestore": FEW[::5], "migrate": FEW, "rehearse_migrations": FEW}


def arguments_of(name: str) -> Iterator[tuple[str, bool]]:
    """The arguments of a command that take text, and whether each is an option."""
    command = load_command_class(get_commands()[name], name)
    for action in command.create_parser("manage.py", name)._actions:
        is_flag = action.nargs == 0 or isinstance(action, argparse._HelpAction)
        if action.dest not in COMMON and not is_flag and not action.choices:
            yield (max(action.option_strings, key=len, default=""), bool(action.option_strings))


ARGUMENTS = [(name, *argument) for name in OURS for argument in arguments_of(name)]


def test_the_arguments_of_our_commands_are_found() -> None:
    assert {"assess", "dbbackup", "import_profile", "provision_roles", "register"} <= set(OURS)
    assert {("assess", "--control", True), ("import_profile", "", False)} <= set(ARGUMENTS)
    assert {config.name for config in apps.get_app_configs()} >= {
        get_commands()[name] for name in OURS
    }


@pytest.fixture
def backups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Backups, and files that a command makes where it stands, in a folder of the test's own."""
    options = {"location": str(tmp_path)}
    backend = "django.core.files.storage.FileSystemStorage"
    monkeypatch.chdir(tmp_path)
    # The library reads its storage once, at import.
    monkeypatch.setattr("dbbackup.settings.STORAGE_OPTIONS", options)
    settings.STORAGES = {**settings.STORAGES, "dbbackup": {"BACKEND": backend, "OPTIONS": options}}


@pytest.mark.parametrize(("name", "option", "is_option"), ARGUMENTS)
def test_no_argument_of_a_command_reaches_the_server_as_sql(
    watch: Watch, backups: None, name: str, option: str, is_option: bool
) -> None:
    watch.growing = {"controls_assessment", "controls_verdict", "backups_backuprow"}
    # A refused pg_dump ends the session beside it.
    watch.expected = ("canceling statement due to user request",)
    for payload in TRIES.get(name, PAYLOADS):
        arguments = [f"{option}={payload}"] if is_option else ["--", payload]
        with quick(f"{name} {arguments}"):
            outcome = attempt(name, arguments)
        if name not in LIBRARY and (name, option) not in FREE:
            assert isinstance(outcome, CommandError), (arguments, outcome)


def attempt(name: str, arguments: list[str]) -> Exception | None:
    """What the command raised, if anything."""
    try:
        call_command(name, *arguments, stdout=io.StringIO(), stderr=io.StringIO())
    except Exception as error:  # judged by who asks
        return error
    return None


def profile_with(payloads: list[str]) -> str:
    """A profile whose codes, categories, titles and cells are the payloads."""
    lines = ["# Risk Profile: Story 9.9", "", "## Risk Register", ""]
    lines += ["| Risk ID | Category | Description | Probability | Impact | Score | Priority |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for number, payload in enumerate(payloads, start=1):
        cell = " ".join(storable(payload, 900).replace("|", "\\|").split()) or "empty"
        lines.append(f"| SEC-{number:03} | {cell} | {cell} | Low (1) | High (3) | 3 | {cell} |")
    lines.append("| SEC-'1 OR 1=1 | Security | A code that is a payload | 1 | 3 | 3 | Low |")
    return "\n".join(lines) + "\n"


def test_the_text_of_a_profile_is_kept_as_it_stands_and_shown_as_text(
    client: Client, watch: Watch
) -> None:
    document = read_string(profile_with(list(PAYLOADS)), "9.9-risk-20250101.md")
    watch.growing = {model._meta.db_table for model in apps.get_app_config("risks").get_models()}
    store(document)
    kept = list(Risk.objects.order_by("position"))
    assert len(kept) == len(document.risks) >= len(PAYLOADS)
    for risk, read in zip(kept, document.risks, strict=True):
        assert (risk.code, risk.category, risk.title) == (read.code, read.category, read.title)
    by_title = {risk.title for risk in kept}
    assert {"' OR '1'='1", "'; DELETE FROM injection_witness; --", SCRIPT} <= by_title
    listed = client.get("/").content.decode()
    assert SCRIPT not in listed
    assert escape(SCRIPT) in listed
    for risk in kept:
        with quick(risk.title):
            body = client.get(f"/risks/{risk.pk}/").content.decode()
        assert SCRIPT not in body
        assert escape(risk.title) in body


def nameable() -> list[str]:
    """The payloads that PostgreSQL takes for a name: one line of 63 bytes at most."""
    texts = (storable(payload) for payload in PAYLOADS)
    return [t for t in texts if t and t.isprintable() and len(t.encode()) <= 55]


def test_a_role_may_be_called_anything(cluster: Cluster, watch: Watch) -> None:
    with cluster.connect() as admin:
        for payload in nameable():
            name = str(entry_of(DATABASE_USER=payload, DATABASE_NAME="n")["USER"])
            roles = Roles(*(Credential(f"{name} {kind}", payload) for kind in "oac"))
            with admin.transaction(force_rollback=True):
                for step in plan(admin, environment.DATABASE, roles):
                    if not step.in_target:
                        admin.execute(step.statement)
                made = admin.execute(
                    "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY(%s)",
                    [[role.name for role in roles.all()]],
                ).fetchall()
                assert len(made) == 3, payload
                powers = admin.execute(
                    "SELECT count(*) FROM pg_catalog.pg_roles WHERE rolsuper"
                ).fetchone()
                assert powers == (1,), payload


@pytest.mark.parametrize(
    "name", ["'; DROP TABLE x; --", 'a"; DROP DATABASE holdfast_test; --', "$$ %s {} 'é"]
)
def test_a_database_and_its_roles_may_be_called_anything(
    cluster: Cluster, watch: Watch, name: str
) -> None:
    roles = Roles(*(Credential(f"{name} {kind}", name) for kind in "oac"))
    with cluster.connect() as admin:
        try:
            provision(admin, name, roles)
            provision(admin, name, roles)
            with cluster.connect(name) as made:
                owner = made.execute(
                    "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'public'"
                ).fetchone()
            assert owner is not None
            assert f"{name} o" in owner[0].replace('""', '"')
        finally:
            admin.execute(SQL("DROP DATABASE IF EXISTS {}").format(Identifier(name)))
            for role in roles.all():
                admin.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(role.name)))
