"""A backup is streamed into its storage; what fails on the way leaves nothing that is listed."""

import gzip
import io
import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest
from dbbackup.signals import post_backup
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from apps.backups import catalogue
from apps.backups.catalogue import SIDECAR, Backup, checksum, newest
from apps.backups.making import STARTED
from apps.backups.management.commands.dbbackup import Progress
from apps.backups.opening import open_backup
from apps.backups.streams import Gzipped, Measured, Transformed, decompressed, zstd_compressed
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
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "backups"
    backend = "tests.backups.places.Failing"
    with places.stored_in(monkeypatch, backend, places.folder_options(place)):
        yield place


@pytest.fixture
def table(cluster: Cluster) -> Iterator[str]:
    """Some megabytes, more than pipes hold."""
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute(
            "CREATE TABLE noise (id bigserial PRIMARY KEY, word text, amount numeric(9, 2))"
        )
        admin.execute(
            "INSERT INTO noise (word, amount) SELECT md5(n::text) || md5((-n)::text), n"
            " FROM generate_series(1, 60000) n"
        )
        admin.execute("ALTER TABLE noise OWNER TO test_owner")
        yield "public.noise"
        admin.execute("DROP TABLE noise")


def back_up(*arguments: str) -> Backup:
    call_command("dbbackup", "--quiet", *arguments)
    return catalogue.backups(environment.DATABASE)[-1]


def listed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    call_command("listbackups", "--quiet")
    return [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]


def test_size_and_checksum_are_those_of_the_stored_file(folder: Path, table: str) -> None:
    backup = back_up()
    assert (backup.bytes, backup.sha256) == checksum(backup.name)
    assert backup.bytes == (folder / backup.name).stat().st_size
    assert (backup.compression, backup.encryption, backup.partial) == ("zstd", None, False)
    assert backup.location == str(folder)
    with open_backup(backup) as plain:
        assert plain.read(5) == b"PGDMP"


def test_it_holds_sequences_migrations_extensions_and_locale(folder: Path, table: str) -> None:
    backup = back_up()
    place = backup.sequences["public.noise_id_seq"]
    assert (place.before, place.after) == (60001, 60001)
    assert "0001_initial" in backup.migrations["backups"]
    assert "pg_trgm" in backup.extensions
    assert backup.locale["encoding"] == "UTF8"
    assert len(backup.schema_digest) == 64


def test_the_schema_digest_changes_with_the_schema_only(
    folder: Path, table: str, cluster: Cluster
) -> None:
    first = back_up()
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("INSERT INTO noise (word) VALUES ('more')")
        second = back_up()
        admin.execute("ALTER TABLE noise ADD CONSTRAINT positive CHECK (amount > 0)")
    third = back_up()
    assert first.schema_digest == second.schema_digest != third.schema_digest
    assert first.tables[table].fingerprint != second.tables[table].fingerprint


def test_without_fingerprints_rows_are_counted_only(folder: Path, table: str) -> None:
    backup = back_up("--no-fingerprints")
    assert backup.tables[table].rows == 60000
    assert backup.tables[table].fingerprint is None
    assert not backup.fingerprints
    assert backup.fingerprint_method is None


def test_dbbackups_own_options_work(folder: Path, table: str, capsys: Any) -> None:
    named = back_up("--output-filename", "mine-2026-11-25-120000.psql.bin")
    assert named.name == "mine-2026-11-25-120000.psql.bin"
    assert "tallinn" in back_up("--servername", "tallinn", "--database", "default").name
    packed = back_up("--compress")
    assert packed.name.endswith(".psql.bin.gz")
    assert packed.compression == "gzip"
    with gzip.open(folder / packed.name) as plain:
        assert plain.read(5) == b"PGDMP"
    assert len(listed(capsys)) == 3


def test_a_path_gets_the_plain_dump_and_is_no_backup_of_the_catalogue(
    folder: Path, tmp_path: Path
) -> None:
    call_command("dbbackup", "--quiet", "--output-path", str(tmp_path / "plain.dump"))
    assert (tmp_path / "plain.dump").read_bytes()[:5] == b"PGDMP"
    assert (tmp_path / "plain.dump").stat().st_mode & 0o777 == 0o600
    assert catalogue.backups() == []


def test_a_backup_without_some_tables_is_partial_and_never_the_newest(
    folder: Path, table: str
) -> None:
    partial = back_up("--exclude-tables", "public.noise")
    assert partial.partial
    assert back_up("--schema", "public").partial
    assert newest(environment.DATABASE) is None
    assert newest(environment.DATABASE) != back_up("--servername", "whole")


def test_a_name_that_is_taken_is_refused(folder: Path) -> None:
    back_up("--output-filename", "mine-2026-11-25-120000.psql.bin")
    with pytest.raises(CommandError, match=r"has a file 'mine-2026.*' already; expected a new"):
        back_up("--output-filename", "mine-2026-11-25-120000.psql.bin")
    assert len(catalogue.backups()) == 1


RECIPIENT = str(pyrage.x25519.Identity.generate().to_public())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--output-filename", "../outside-2026-11-25-120000.bin"), "expected a plain file name"),
        (("--database", "nowhere"), "no database 'nowhere' in DATABASES; expected one of: default"),
        (("--database", "default,nowhere"), "no database 'nowhere' in DATABASES"),
        (("--exclude-tables", "a\x00b"), "null byte"),
    ],
)
def test_an_impossible_argument_is_one_sentence_and_leaves_nothing(
    folder: Path, arguments: tuple[str, str], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence):
        back_up(*arguments)
    assert not folder.exists() or list(folder.iterdir()) == []


FAULTS = {
    "full": (places.disk_full, "No space left on device", []),
    "killed": (places.kill_pg_dump, "pg_dump was ended by signal 9", []),
    "server": (places.end_server_sessions, "pg_dump: error", []),
    "slow": (places.too_slow, "pg_dump did not end within 1 s", []),
    "Ctrl-C": (places.interrupted, "Interrupted; nothing was kept", []),
    "full, encrypted": (places.disk_full, "No space left on device", [RECIPIENT]),
    "killed, encrypted": (places.kill_pg_dump, "pg_dump was ended by signal 9", [RECIPIENT]),
}


@pytest.mark.parametrize(("fault", "sentence", "recipients"), FAULTS.values(), ids=FAULTS)
def test_a_backup_that_fails_in_the_middle_leaves_nothing(
    failing: Path,
    table: str,
    fault: Callable[[], None],
    sentence: str,
    recipients: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(places.Failing, "fault", staticmethod(fault), raising=False)
    patience = 1 if fault is places.too_slow else 600
    with (
        override_settings(BACKUP_TIMEOUT=patience, BACKUP_AGE_RECIPIENTS=recipients),
        pytest.raises(CommandError, match=sentence),
    ):
        call_command("dbbackup", "--quiet", "--compress")
    assert list(failing.iterdir()) == []
    assert listed(capsys) == []
    assert running_dumps() == 0
    monkeypatch.setattr(places.Failing, "fault", staticmethod(lambda: None))
    back_up("--servername", "next")
    assert len(listed(capsys)) == 1


def running_dumps() -> int:
    with environment.cluster.connect(environment.DATABASE) as admin:
        row = admin.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'pg_dump' OR usename = 'test_owner' AND xact_start < now()"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_what_a_killed_run_left_is_no_backup_and_is_swept(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    back_up("--servername", "good")
    torso = folder / "default-lost-2026-11-25-110000.psql.bin.zst"
    mark = folder / f"{torso.name}{STARTED}"
    foreign = folder / "default-foreign-2020-11-25-110000.psql.bin"
    for path in (torso, mark, foreign):
        path.write_bytes(b"half")
    assert [name for name in listed(capsys) if "good" not in name] == []
    back_up("--servername", "young")
    assert torso.exists()
    old = (timezone.now() - timedelta(days=2)).timestamp()
    os.utime(mark, (old, old))
    back_up("--servername", "old")
    assert not torso.exists()
    assert not mark.exists()
    assert foreign.exists()


def test_rows_that_row_security_hides_stop_the_dump_before_it_starts(
    folder: Path, table: str, cluster: Cluster
) -> None:
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("ALTER TABLE noise ENABLE ROW LEVEL SECURITY")
        back_up()
        admin.execute("ALTER TABLE noise FORCE ROW LEVEL SECURITY")
    with pytest.raises(CommandError, match=r"public\.noise: row security hides rows of it from"):
        back_up("--servername", "hidden")
    assert not list(folder.glob("*hidden*"))


def test_a_table_that_the_owner_may_not_read_stops_the_dump(
    folder: Path, table: str, cluster: Cluster
) -> None:
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("ALTER TABLE noise OWNER TO postgres")
    with pytest.raises(CommandError, match=r"GRANT SELECT ON public\.noise TO test_owner;"):
        back_up()


def test_a_large_object_of_somebody_else_stops_the_dump(folder: Path, cluster: Cluster) -> None:
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("SELECT lo_create(4711)")
        try:
            with pytest.raises(CommandError, match=r"large object 4711: test_owner may not read"):
                back_up()
            admin.execute("GRANT SELECT ON LARGE OBJECT 4711 TO test_owner")
            back_up()
        finally:
            admin.execute("SELECT lo_unlink(4711)")


def test_signals_are_sent_without_the_password(folder: Path) -> None:
    heard: list[dict[str, Any]] = []

    def listen(**told: Any) -> None:
        heard.append(told)

    post_backup.connect(listen)
    try:
        backup = back_up()
    finally:
        post_backup.disconnect(listen)
    (told,) = heard
    assert told["filename"] == backup.name
    assert "PASSWORD" not in told["database"]


def test_progress_is_told_in_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    told = Progress()
    told(12_345_678)
    told(12_345_679)
    assert capsys.readouterr().err.count("12.3 MB written") == 1


class Fed(io.BytesIO):
    """A source that fails at its end."""

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size)
        if not chunk:
            raise OSError("the source broke")
        return chunk


@pytest.mark.parametrize("pack", [zstd_compressed, Gzipped])
def test_packed_streams_come_back_whole_and_pass_the_sources_failure_on(
    pack: Callable[[Any], Any],
) -> None:
    content = os.urandom(3_000_000)
    measured = Measured(pack(io.BytesIO(content)))
    kept = b"".join(measured.chunks())
    assert measured.bytes == len(kept)
    assert decompressed(io.BytesIO(kept)).read() == content
    with pytest.raises(OSError, match="the source broke"):
        list(Measured(pack(Fed(content))).chunks())


def test_a_thread_between_streams_ends_when_its_reader_goes_away() -> None:
    def copy(reader: Any, writer: Any) -> None:
        while chunk := reader.read(10_000):
            writer.write(chunk)

    stream = Transformed(copy, io.BytesIO(os.urandom(5_000_000)))
    assert stream.read(10)
    stream.close()
    assert not stream._thread.is_alive()


def test_the_sidecar_bears_the_number_of_its_form(folder: Path) -> None:
    backup = back_up()
    said = json.loads((folder / f"{backup.name}{SIDECAR}").read_text())
    assert said["format"] == catalogue.FORMAT
