"""A backup is made with what is in it, and proven only by restoring it."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from apps.backups import catalogue
from apps.backups.catalogue import SIDECAR, newest, newest_proof
from apps.backups.comparing import NotProven, compare
from apps.backups.dumping import Wanted, dump_command
from apps.backups.tools import (
    ToolError,
    Tools,
    connection_arguments,
    fitting,
    installed_tools,
    run,
    tool_environment,
)
from apps.database.connection import role_entry
from apps.database.facts.tables import TableContent
from apps.database.server import Cluster
from config.database import TLS_OPTIONS
from tests import environment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The storage of the backups, in a folder of this test's own."""
    options = {
        "location": str(tmp_path / "backups"),
        "file_permissions_mode": 0o600,
        "directory_permissions_mode": 0o700,
    }
    backend = "django.core.files.storage.FileSystemStorage"
    # The library reads its storage once, at import.
    monkeypatch.setattr("dbbackup.settings.STORAGE_OPTIONS", options)
    kept = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(
        STORAGES={"dbbackup": {"BACKEND": backend, "OPTIONS": options}, "staticfiles": kept}
    ):
        yield tmp_path / "backups"


@pytest.fixture
def rows(cluster: Cluster) -> Iterator[None]:
    """Rows worth keeping."""
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute(
            "CREATE TABLE public.ledger (id int PRIMARY KEY, amount numeric, at timestamptz)"
        )
        admin.execute("INSERT INTO ledger SELECT n, n * 1.5, now() FROM generate_series(1, 500) n")
        admin.execute("ALTER TABLE ledger OWNER TO test_owner")
        yield
        admin.execute("DROP TABLE public.ledger")


def back_up() -> catalogue.Backup:
    call_command("dbbackup", "--quiet")
    backup = newest(environment.DATABASE)
    assert backup is not None
    return backup


def verify(*arguments: str) -> str:
    out = io.StringIO()
    call_command("verify_backup", *arguments, stdout=out)
    return out.getvalue()


def test_a_backup_says_what_is_in_it_and_is_proven_by_a_restore(folder: Path, rows: None) -> None:
    backup = back_up()
    assert backup.tables["public.ledger"].rows == 500
    assert backup.server_version.startswith("18.")
    modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert newest_proof(environment.DATABASE) is None
    assert "is proven" in verify("--latest")
    proof = newest_proof(environment.DATABASE)
    assert proof is not None
    assert proof.name == backup.name


def test_listbackups_shows_backups_and_no_sidecars(folder: Path, capsys: Any) -> None:
    backup = back_up()
    call_command("listbackups")
    assert [line for line in capsys.readouterr().out.splitlines() if "metadata" in line] == []
    assert backup.name.endswith(".psql.bin.zst")


def damage(path: Path, change: str) -> None:
    content = bytearray(path.read_bytes())
    if change == "flip":
        content[len(content) // 2] ^= 1
    else:
        del content[len(content) // 2 :]
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [("flip", "checksum is not the sidecar's"), ("cut", "bytes; the sidecar")],
)
def test_a_damaged_file_is_caught_before_it_is_restored(
    folder: Path, change: str, sentence: str
) -> None:
    backup = back_up()
    damage(folder / backup.name, change)
    with pytest.raises(CommandError, match=sentence):
        verify(backup.name)
    assert newest_proof(environment.DATABASE) is None


def test_one_changed_value_with_a_fitting_checksum_is_caught(
    folder: Path, rows: None, cluster: Cluster
) -> None:
    honest = back_up()
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("UPDATE ledger SET amount = amount + 1 WHERE id = 250")
    call_command("dbbackup", "--quiet", "--output-filename", "forged-2026.psql.bin.zst")
    sidecar = folder / f"forged-2026.psql.bin.zst{SIDECAR}"
    said = json.loads(sidecar.read_text())
    before = json.loads((folder / f"{honest.name}{SIDECAR}").read_text())["tables"]
    said["tables"]["public.ledger"] = before["public.ledger"]
    sidecar.write_text(json.dumps(said))
    with pytest.raises(CommandError, match=r"A value in public\.ledger is not what it was"):
        verify("forged-2026.psql.bin.zst")


def test_a_missing_sidecar_means_no_backup(folder: Path) -> None:
    backup = back_up()
    (folder / f"{backup.name}{SIDECAR}").unlink()
    assert newest(environment.DATABASE) is None
    with pytest.raises(CommandError, match="no complete backup; make one"):
        verify()


def test_an_unknown_name_is_one_sentence(folder: Path) -> None:
    back_up()
    with pytest.raises(CommandError, match="no complete backup 'nothing'; see: manage.py list"):
        verify("nothing")


def test_dbrestore_is_refused_in_production(folder: Path) -> None:
    with override_settings(PRODUCTION=True), pytest.raises(CommandError, match="restore_backup"):
        call_command("dbrestore", "--noinput")


def test_compare_names_the_first_difference() -> None:
    one = TableContent(1, "7")
    with pytest.raises(NotProven, match="table public.a was not restored"):
        compare({"public.a": one}, {})
    with pytest.raises(NotProven, match="public.b was restored and does not"):
        compare({}, {"public.b": one})
    with pytest.raises(NotProven, match="public.a has 2 rows; the sidecar says 1"):
        compare({"public.a": one}, {"public.a": TableContent(2, "7")})
    compare({"public.a": one}, {"public.a": one})


OLD = Tools(Path("/old"), 15, speaks_tls=True)
EMBEDDED = Tools(Path("/embedded"), 18, speaks_tls=False)
NEW = Tools(Path("/new"), 19, speaks_tls=True)


def test_tools_are_chosen_to_fit_the_server() -> None:
    assert fitting([NEW, OLD, EMBEDDED], 15, needs_tls=True) == OLD
    assert fitting([NEW, OLD, EMBEDDED], 18, needs_tls=False) == EMBEDDED
    assert fitting([NEW, OLD, EMBEDDED], 18, needs_tls=True) == NEW
    with pytest.raises(ToolError, match=r"PostgreSQL 18.*TLS.*found: 15, 18 \(without TLS\)"):
        fitting([OLD, EMBEDDED], 18, needs_tls=True)
    with pytest.raises(ToolError, match="apt install postgresql-client-20"):
        fitting([NEW], 20, needs_tls=False)


def test_this_machine_has_tools_for_the_embedded_server() -> None:
    assert fitting(installed_tools(), 18, needs_tls=False).major >= 18


def test_the_password_is_in_no_argument_and_nothing_else_in_the_environment(
    cluster: Cluster,
) -> None:
    entry = role_entry("owner")
    command = dump_command(EMBEDDED, entry, Wanted(), "0001") + connection_arguments(entry)
    assert entry["PASSWORD"] not in " ".join(command)
    given = tool_environment(entry)
    usual = {"PATH", "LC_ALL", "PGPASSWORD", "PGCONNECT_TIMEOUT"}
    assert set(given) <= usual | set(TLS_OPTIONS.values())


def test_a_tool_that_hangs_is_ended() -> None:
    with pytest.raises(ToolError, match=r"sleep did not end within 0.2 s"):
        run(["/bin/sleep", "30"], role_entry("owner"), timeout_seconds=0.2)
