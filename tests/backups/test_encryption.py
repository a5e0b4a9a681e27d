"""Backups are encrypted as they are made; only who has the secret key reads them."""

from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from apps.backups import catalogue
from apps.backups.catalogue import Backup
from apps.backups.encryption import HEADER, KeyProblem
from apps.backups.opening import open_backup
from config.backups import age_identity, age_recipients
from config.env import ConfigurationError, Environment
from tests.backups import places

pytestmark = pytest.mark.django_db(transaction=True)

OURS = pyrage.x25519.Identity.generate()
THEIRS = pyrage.x25519.Identity.generate()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "backups"
    recipients = [str(OURS.to_public()), str(pyrage.x25519.Identity.generate().to_public())]
    with (
        places.stored_in(monkeypatch, places.FILE, places.folder_options(place)),
        override_settings(BACKUP_AGE_RECIPIENTS=recipients, BACKUP_AGE_IDENTITY=None),
    ):
        yield place


def back_up(*arguments: str) -> Backup:
    call_command("dbbackup", "--quiet", *arguments)
    return catalogue.backups()[-1]


def read(backup: Backup) -> bytes:
    with open_backup(backup) as plain:
        return b"".join(iter(lambda: plain.read(1 << 20), b""))


def test_making_needs_the_public_key_only_and_reading_the_secret_one(folder: Path) -> None:
    backup = back_up()
    assert backup.name.endswith(".psql.bin.zst.age")
    assert backup.encrypted
    assert backup.recipients[0] == str(OURS.to_public())
    stored = (folder / backup.name).read_bytes()
    assert stored.startswith(HEADER)
    assert b"PGDMP" not in stored
    with override_settings(BACKUP_AGE_IDENTITY=f"# a comment\n{OURS}\n"):
        assert read(backup).startswith(b"PGDMP")


def test_an_encrypted_backup_is_proven(folder: Path) -> None:
    backup = back_up()
    with override_settings(BACKUP_AGE_IDENTITY=str(OURS)):
        call_command("verify_backup", backup.name)


@pytest.mark.parametrize(
    ("identity", "sentence"),
    [
        (None, "BACKUP_AGE_IDENTITY is not set, and the backup is encrypted"),
        (str(THEIRS), "is not encrypted to the key of BACKUP_AGE_IDENTITY"),
        ("AGE-SECRET-KEY-1WRONG", "is no age key; expected AGE-SECRET-KEY-1"),
    ],
    # The keys are made anew in every process, and must not be part of a test's name.
    ids=["missing", "another's", "malformed"],
)
def test_a_missing_or_wrong_key_is_one_sentence_without_the_key(
    folder: Path, identity: str | None, sentence: str
) -> None:
    backup = back_up()
    with (
        override_settings(BACKUP_AGE_IDENTITY=identity),
        pytest.raises(KeyProblem, match=sentence) as told,
    ):
        read(backup)
    assert identity is None or identity not in str(told.value)


def test_an_encrypted_backup_that_was_cut_short_is_told(folder: Path) -> None:
    backup = back_up("--compress")
    path = folder / backup.name
    path.write_bytes(path.read_bytes()[:-2000])
    with (
        override_settings(BACKUP_AGE_IDENTITY=str(OURS)),
        pytest.raises(KeyProblem, match="cannot be decrypted to its end"),
    ):
        read(backup)


def test_a_reader_that_stops_early_leaves_no_thread(folder: Path) -> None:
    backup = back_up()
    with override_settings(BACKUP_AGE_IDENTITY=str(OURS)), open_backup(backup) as plain:
        assert plain.read(5) == b"PGDMP"


def test_a_wrong_recipient_stops_the_backup_before_anything_is_kept(folder: Path) -> None:
    with (
        override_settings(BACKUP_AGE_RECIPIENTS=["age1nonsense"]),
        pytest.raises(CommandError, match=r"BACKUP_AGE_RECIPIENTS holds 'age1nonsense'…, which is"),
    ):
        back_up()
    assert list(folder.iterdir()) == []


def test_a_path_without_encryption_is_refused_when_recipients_are_named(
    folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="--output-path writes without encryption"):
        back_up("--output-path", str(tmp_path / "plain.dump"))
    assert not (tmp_path / "plain.dump").exists()


def test_a_secret_key_among_the_recipients_stops_the_start_and_is_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="holds a secret key; expected public") as told:
        age_recipients(Environment({"BACKUP_AGE_RECIPIENTS": str(OURS)}))
    assert str(OURS) not in str(told.value)


def test_the_secret_key_comes_from_a_file_or_a_variable_but_not_both(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"# created: today\n{OURS}\n")
    values = {"BACKUP_AGE_IDENTITY_FILE": str(file)}
    assert str(OURS) in str(age_identity(Environment(values)))
    with pytest.raises(ConfigurationError, match="are both set; expected one"):
        age_identity(Environment({**values, "BACKUP_AGE_IDENTITY": str(OURS)}))
