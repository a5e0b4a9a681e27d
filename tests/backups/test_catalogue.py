"""Sidecars and rows say the same, and the rows come back from the sidecars."""

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection

from apps.backups import catalogue
from apps.backups.catalogue import SIDECAR, Backup, Proof, Verification, write_verification
from apps.backups.comparing import NotProven
from apps.backups.models import BackupRow, VerificationRow
from apps.backups.records import record_verification
from apps.backups.verify import prove
from apps.database.facts.tables import TableContent, table_contents
from apps.database.roles import TablePrivileges, table_privileges
from apps.database.server import Cluster
from tests import environment
from tests.backups import places

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "backups"
    with places.stored_in(monkeypatch, places.FILE, places.folder_options(place)):
        yield place


@pytest.fixture
def backup(folder: Path) -> Backup:
    call_command("dbbackup", "--quiet")
    return catalogue.backups()[-1]


def verified(backup: Backup, second: int, verdict: Proof = Proof.PROVEN) -> Verification:
    reason = None if verdict is Proof.PROVEN else "It was not."
    moment = datetime(2026, 11, 25, 12, 0, second, 123456, tzinfo=UTC)
    made = Verification(backup.name, moment, verdict, reason, 1.5, {"tables": 3})
    write_verification(made)
    record_verification(made)
    return made


def lose_rows(cluster: Cluster) -> None:
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("TRUNCATE backups_backuprow CASCADE")


def test_a_row_holds_what_the_sidecar_says(backup: Backup) -> None:
    row = BackupRow.objects.get()
    assert row.backup() == backup
    assert (row.bytes, row.sha256, row.encrypted) == (backup.bytes, backup.sha256, False)


def test_every_verification_is_kept_and_the_newest_proof_is_found(backup: Backup) -> None:
    first = verified(backup, 1)
    second = verified(backup, 2, Proof.NOT_PROVEN)
    assert catalogue.verifications(backup.database) == [first, second]
    assert catalogue.newest_proof(backup.database) == first
    assert [row.verification() for row in VerificationRow.objects.newest_first()] == [second, first]
    assert VerificationRow.objects.proven().count() == 1


def test_the_rows_come_back_from_the_sidecars_as_often_as_asked(
    backup: Backup, cluster: Cluster
) -> None:
    proof = verified(backup, 1)
    lose_rows(cluster)
    for _ in range(2):
        out = io.StringIO()
        call_command("rebuild_catalogue", stdout=out)
        assert "has 1 backups and 1 verifications; 0 rows" in out.getvalue()
        assert BackupRow.objects.get().backup() == backup
        assert VerificationRow.objects.get().verification() == proof


def test_a_backup_before_the_first_migration_has_a_sidecar_only(
    folder: Path, cluster: Cluster
) -> None:
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("ALTER TABLE backups_backuprow RENAME TO later")
        try:
            call_command("dbbackup", "--quiet")
        finally:
            admin.execute("ALTER TABLE later RENAME TO backups_backuprow")
    assert BackupRow.objects.count() == 0
    call_command("rebuild_catalogue", stdout=io.StringIO())
    assert [row.name for row in BackupRow.objects.all()] == [b.name for b in catalogue.backups()]


@pytest.fixture
def earlier(folder: Path, cluster: Cluster) -> Backup:
    """A backup as those of the first method were written down, of a table that is dropped."""
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute(
            "CREATE TABLE kept AS SELECT n, md5(n::text) AS word, n::numeric AS amount"
            " FROM generate_series(1, 100) n"
        )
        admin.execute("ALTER TABLE kept OWNER TO test_owner")
        call_command("dbbackup", "--quiet")
        with admin.transaction():
            admin.execute("DELETE FROM backups_backuprow")
            contents = table_contents(admin.cursor(), fingerprint_method=1)  # type: ignore[arg-type]
        admin.execute("DROP TABLE kept")
    (sidecar,) = folder.glob(f"*{SIDECAR}")
    said = json.loads(sidecar.read_text())
    del said["fingerprint_method"]
    said["tables"] = {name: asdict(table) for name, table in contents.items()}
    sidecar.write_text(json.dumps(said))
    return catalogue.backups()[-1]


def test_a_backup_of_the_first_method_of_fingerprints_is_still_proven(earlier: Backup) -> None:
    assert earlier.fingerprint_method == 1
    call_command("rebuild_catalogue", stdout=io.StringIO())
    assert BackupRow.objects.get().backup() == earlier
    call_command("verify_backup", earlier.name, stdout=io.StringIO())
    (proof,) = catalogue.verifications()
    assert (proof.proven, proof.evidence["fingerprint_method"]) == (True, 1)


def test_a_changed_value_is_caught_by_the_first_method_too(earlier: Backup) -> None:
    stated = earlier.tables["public.kept"]
    forged = {"public.kept": TableContent(stated.rows, "12345")}
    with pytest.raises(NotProven, match=r"A value in public\.kept is not what it was"):
        prove(replace(earlier, tables=earlier.tables | forged), {})


def test_rows_of_backups_that_are_gone_are_dropped(backup: Backup, folder: Path) -> None:
    (folder / backup.name).unlink()
    out = io.StringIO()
    call_command("rebuild_catalogue", stdout=out)
    assert "has 0 backups and 0 verifications; 1 rows" in out.getvalue()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: text[:40], "it is not JSON"),
        (lambda text: text.replace('"format": 1', '"format": 99'), "its format is 99"),
        (lambda text: "[]", "its format is None"),
        (
            lambda text: text.replace('"fingerprint_method": 3', '"fingerprint_method": 99'),
            "fingerprints by method 99; this version knows 1, 2, 3",
        ),
        (lambda text: text.replace('"sha256"', '"md5"'), "a field is missing or wrong"),
        (lambda text: text.replace("+00:00", ""), "has no time zone"),
    ],
)
def test_a_sidecar_that_cannot_be_read_is_no_backup_and_is_named(
    backup: Backup, folder: Path, spoil: object, reason: str
) -> None:
    path = folder / f"{backup.name}{SIDECAR}"
    path.write_text(spoil(path.read_text()))  # type: ignore[operator]
    assert catalogue.backups() == []
    told = io.StringIO()
    call_command("listbackups", "--quiet", stderr=told)
    assert path.name in told.getvalue()
    with pytest.raises(CommandError, match=f"{path.name} is no backup's sidecar: .*{reason}"):
        call_command("rebuild_catalogue", stdout=io.StringIO())


def test_app_reads_the_rows_and_writes_none_and_the_auditor_reads(backup: Backup) -> None:
    rights = {right.table: right for right in table_privileges()}
    for table in ("backups_backuprow", "backups_verificationrow"):
        assert rights[table] == TablePrivileges(table, "SELECT", "SELECT")
    with pytest.raises(ProgrammingError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM backups_backuprow")
    assert BackupRow.objects.count() == 1


def test_removing_a_backup_takes_all_that_is_beside_it(backup: Backup, folder: Path) -> None:
    verified(backup, 1)
    call_command("dbbackup", "--quiet", "--servername", "kept")
    before = {path.name for path in folder.iterdir() if "kept" in path.name}
    catalogue.remove_files(backup.name)
    assert {path.name for path in folder.iterdir()} == before


def test_a_sidecar_is_json_that_people_can_read(backup: Backup, folder: Path) -> None:
    said = json.loads((folder / f"{backup.name}{SIDECAR}").read_text())
    assert said["tables"]["public.django_migrations"]["rows"] > 10


def test_a_sidecar_from_before_there_were_heads_is_still_a_backups(
    backup: Backup, folder: Path
) -> None:
    path = folder / f"{backup.name}{SIDECAR}"
    said = json.loads(path.read_text())
    # No assessment is recorded here; tests/controls/test_verify_evidence.py keeps a head.
    assert said.pop("heads") == {}
    path.write_text(json.dumps(said))
    assert catalogue.backups() == [backup]
