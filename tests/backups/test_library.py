"""django-dbbackup's own commands see complete backups only, and its restore still restores."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.backups import catalogue
from apps.backups.models import BackupRow
from apps.database.server import Cluster
from tests import environment
from tests.backups import places

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "backups"
    with places.stored_in(monkeypatch, places.FILE, places.folder_options(place)):
        yield place


def test_clean_removes_old_backups_with_their_sidecars_and_rows(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbbackup.settings.CLEANUP_KEEP", 1)
    call_command("dbbackup", "--quiet", "--output-filename", "default-2026-11-24-120000.psql.bin")
    call_command("dbbackup", "--quiet", "--clean")
    (kept,) = catalogue.backups()
    assert "2026-11-24-120000" not in kept.name
    assert [row.name for row in BackupRow.objects.all()] == [kept.name]
    assert [path.name for path in folder.iterdir() if "11-24" in path.name] == []


def test_before_the_first_backup_there_is_nothing_to_list_and_one_sentence_to_say(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not folder.exists()
    call_command("listbackups", "--quiet")
    assert capsys.readouterr().out.strip() == ""
    with pytest.raises(CommandError, match="There's no backup file available"):
        call_command("dbrestore", "--noinput", "--quiet")


def test_dbrestore_takes_the_newest_complete_backup(folder: Path, cluster: Cluster) -> None:
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("CREATE TABLE ledger AS SELECT n FROM generate_series(1, 10) n")
        admin.execute("ALTER TABLE ledger OWNER TO test_owner")
        try:
            call_command("dbbackup", "--quiet")
            (folder / "default-torso-2099-01-01-000000.psql.bin.zst").write_bytes(b"half")
            admin.execute("DELETE FROM ledger")
            call_command("dbrestore", "--noinput", "--quiet")
            assert admin.execute("SELECT count(*) FROM ledger").fetchone() == (10,)
            assert admin.execute(
                "SELECT has_table_privilege('test_app', 'backups_backuprow', 'SELECT'),"
                " has_table_privilege('test_app', 'backups_backuprow', 'DELETE')"
            ).fetchone() == (True, False)
        finally:
            admin.execute("DROP TABLE ledger")
