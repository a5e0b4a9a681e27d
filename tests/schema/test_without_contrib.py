"""A server that has no extension but plpgsql: keys work, and what cannot work is named first."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.database.embedded import embedded_binaries
from apps.database.server import Binaries
from tests.schema.world import World, world

DATABASE = "bare"
# An extension that no other server has.
OWN = {"house.control": "default_version = '1.0'\ntrusted = true\n", "house--1.0.sql": ""}
PEOPLE = """
from django.contrib.auth import get_user_model
User = get_user_model()
one = User.objects.create_user("one")
made = User.objects.bulk_create([User(username=f"bulk {n}") for n in range(100)])
assert User.objects.get(pk=one.pk).username == "one"
assert {u.pk.version for u in [one, *made]} == {7}
print(User.objects.count())
"""


def bare_binaries(home: Path) -> Binaries:
    """A copy of the embedded programs whose folder of extensions was emptied."""
    package = embedded_binaries().folder.parents[1]
    # The programs look for their libraries beside the package.
    libraries = f"{package.name}.libs"
    shutil.copytree(package / "pginstall", home / package.name / "pginstall", symlinks=True)
    shutil.copytree(package.parent / libraries, home / libraries, symlinks=True)
    for path in home.rglob("*"):
        if not path.is_symlink():
            executable = path.is_dir() or os.access(path, os.X_OK)
            path.chmod(0o755 if executable else 0o644)
    programs = Binaries(home / package.name / "pginstall" / "bin")
    extensions = programs.folder.parent / "share" / "extension"
    for path in extensions.iterdir():
        if not path.name.startswith("plpgsql"):
            path.unlink()
    for name, text in OWN.items():
        (extensions / name).write_text(text)
    return programs


@pytest.fixture(scope="module")
def bare() -> Iterator[World]:
    """A server without contrib, with a provisioned database that no migration has reached."""
    # Not pytest's temporary folder: as root that one is closed to the server's user.
    with tempfile.TemporaryDirectory(prefix="holdfast-bare-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with world(bare_binaries(Path(folder)), settings="config.settings") as made:
            made.create(DATABASE)
            yield made


def test_the_server_offers_nothing_else(bare: World) -> None:
    question = "SELECT string_agg(name, ' ' ORDER BY name) FROM pg_available_extensions"
    assert bare.sql(DATABASE, question) == [("house plpgsql",)]


def test_what_the_plan_needs_is_named_before_anything_changes(bare: World) -> None:
    before = bare.sql(DATABASE, "SELECT count(*) FROM pg_class")
    answer = bare.run(DATABASE, "migrate")
    assert answer.returncode == 1
    said = "risks.0001_initial needs the extension pg_trgm, and this server does not have its files"
    assert f"Nothing was migrated: {said}" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert bare.sql(DATABASE, "SELECT count(*) FROM pg_class") == before
    # A scratch server has the extension, the real one does not.
    rehearsed = bare.run(DATABASE, "rehearse_migrations", "--empty")
    assert rehearsed.returncode == 3
    assert said in rehearsed.stderr


def test_keys_need_no_extension(bare: World) -> None:
    answer = bare.run(DATABASE, "migrate", "accounts", "--verbosity", "0")
    assert answer.returncode == 0, answer.stderr
    people = bare.run(DATABASE, "shell", "--verbosity", "0", "--command", PEOPLE)
    assert people.returncode == 0, people.stderr
    assert people.stdout.strip() == "101"
    ((table,),) = bare.sql(
        DATABASE, "SELECT relname FROM pg_class WHERE relname ~ '^accounts_.*user$'"
    )
    by_sql = (
        f"INSERT INTO {table} (username, password, is_superuser, first_name, last_name, email,"
        " is_staff, is_active, date_joined) VALUES ('by sql', '', false, '', '', '', false, true,"
        " now()) RETURNING id"
    )
    ((key,),) = bare.sql(DATABASE, by_sql)
    assert key.version == 4
    assert bare.sql(DATABASE, "SELECT count(*) FROM pg_extension") == [(1,)]


def test_an_extension_that_only_the_real_server_has_is_asked_of_the_other_place(
    bare: World,
) -> None:
    bare.sql(DATABASE, "CREATE EXTENSION house")
    try:
        alone = bare.run(
            DATABASE, "rehearse_migrations", "accounts", "--empty", DATABASE_ADMIN_URL=""
        )
        there = bare.run(DATABASE, "rehearse_migrations", "accounts", "--empty", "--no-record")
    finally:
        bare.sql(DATABASE, "DROP EXTENSION house")
    assert alone.returncode == 3
    assert (
        "There is no server to rehearse on: the embedded server lacks the extension house. Set "
        "DATABASE_ADMIN_URL to a PostgreSQL 18 with house, as a role that may create databases."
    ) in alone.stderr
    assert there.returncode == 0, there.stderr
    assert "server: DATABASE_ADMIN_URL" in there.stdout
