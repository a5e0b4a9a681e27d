"""dbbackup's own GPG works where its parts are there, says what is missing, and proves nothing."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.backups import catalogue
from apps.backups.catalogue import Proof
from apps.backups.opening import open_backup
from tests.backups import places
from tests.programs import require, require_program

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # The library leaves its temporary files to the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]

SOMEBODY = "backups@example.org"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "backups"
    with places.stored_in(monkeypatch, places.FILE, places.folder_options(place)):
        yield place


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A key without a passphrase, in a keyring of the test's own."""
    gpg = require_program("gpg", "gnupg")
    require(find_spec("gnupg") is not None, "python-gnupg")
    # The agent's socket may have 107 characters at most.
    home = tempfile.mkdtemp(prefix="holdfast-gpg-", dir="/tmp")
    monkeypatch.setenv("GNUPGHOME", home)
    monkeypatch.setattr("dbbackup.settings.GPG_RECIPIENT", SOMEBODY)
    monkeypatch.setattr("dbbackup.settings.GPG_ALWAYS_TRUST", True)
    try:
        make = ["--batch", "--quiet", "--passphrase", "", "--quick-generate-key", SOMEBODY]
        subprocess.run([gpg, *make], check=True, capture_output=True)
        yield gpg
    finally:
        subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


def test_the_librarys_encryption_works_and_gpg_reads_it(folder: Path, key: str) -> None:
    call_command("dbbackup", "--quiet", "--encrypt")
    (backup,) = catalogue.backups()
    assert backup.name.endswith(".psql.bin.gpg")
    assert (backup.encryption, backup.compression) == ("gpg", "none")
    stored = folder / backup.name
    assert b"PGDMP" not in stored.read_bytes()
    decrypted = subprocess.run([key, "--batch", "--decrypt", str(stored)], capture_output=True)
    assert decrypted.stdout.startswith(b"PGDMP")
    assert stored.stat().st_mode & 0o777 == 0o600


def test_its_proof_is_unknown_and_its_restore_says_what_to_do(folder: Path, key: str) -> None:
    call_command("dbbackup", "--quiet", "--encrypt")
    (backup,) = catalogue.backups()
    with pytest.raises(CommandError, match=r"not proven: unknown\. .*-e, which only gpg reads"):
        call_command("verify_backup", backup.name)
    (attempt,) = catalogue.verifications()
    assert attempt.verdict is Proof.UNKNOWN
    # The file's own checksum was compared all the same.
    assert attempt.evidence["sha256"] == backup.sha256
    with pytest.raises(Exception, match=r"gpg --decrypt FILE \| pg_restore"), open_backup(backup):
        pass


def test_a_damaged_file_is_disproved_without_a_key(folder: Path, key: str) -> None:
    call_command("dbbackup", "--quiet", "--encrypt")
    (backup,) = catalogue.backups()
    path = folder / backup.name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(CommandError, match="checksum is not the sidecar's"):
        call_command("verify_backup", backup.name)


def test_a_key_that_is_not_there_is_one_sentence_and_leaves_nothing(
    folder: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dbbackup.settings.GPG_RECIPIENT", "nobody@example.org")
    with pytest.raises(CommandError, match=r"gpg has no public key of nobody@example\.org, whom"):
        call_command("dbbackup", "--quiet", "--encrypt")
    assert not folder.exists() or list(folder.iterdir()) == []


def without_the_package(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setitem(sys.modules, "gnupg", None)


def without_the_program(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setitem(sys.modules, "gnupg", sys)
    monkeypatch.setenv("PATH", str(folder))


def without_a_recipient(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setitem(sys.modules, "gnupg", sys)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")


@pytest.mark.parametrize(
    ("lacking", "sentence"),
    [
        (without_the_package, r"python-gnupg is not installed \(pip install python-gnupg\)"),
        (without_the_program, r"the program gpg is not installed \(apt install gnupg\)"),
        (without_a_recipient, "the setting DBBACKUP_GPG_RECIPIENT names nobody's key"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_dumped(
    folder: Path, lacking: object, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(monkeypatch, folder)  # type: ignore[operator]
    with pytest.raises(CommandError, match=sentence) as told:
        call_command("dbbackup", "--quiet", "--encrypt")
    assert "expected that, or BACKUP_AGE_RECIPIENTS instead of --encrypt" in str(told.value)
    assert not folder.exists()
