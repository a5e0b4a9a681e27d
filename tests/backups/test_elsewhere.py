"""Backups go to a bucket in parts as they are made; a failed one leaves no object."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.backups import catalogue
from apps.backups.catalogue import SIDECAR
from apps.backups.elsewhere import BucketStorage
from apps.backups.opening import open_backup
from apps.database.server import Cluster
from config.backups import backup_storage_entry
from config.env import ConfigurationError, Environment
from tests import environment
from tests.backups import places
from tests.backups.buckets import Bucket, made_bucket, s3_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with made_bucket(server) as made:
        entry = backup_storage_entry(
            Environment({"BACKUP_STORAGE": "s3", "BACKUP_S3_BUCKET": "kept", **made.variables()})
        )
        with places.stored_in(monkeypatch, entry["BACKEND"], entry["OPTIONS"]):
            yield made


def test_a_backup_in_a_bucket_is_listed_read_back_and_proven(bucket: Bucket, capsys: Any) -> None:
    call_command("dbbackup", "--quiet")
    (backup,) = catalogue.backups(environment.DATABASE)
    assert backup.location == "s3://kept/holdfast"
    assert f"holdfast/{backup.name}{SIDECAR}" in bucket.names()
    call_command("listbackups", "--quiet")
    assert backup.name in capsys.readouterr().out
    with open_backup(backup) as plain:
        assert plain.read(5) == b"PGDMP"
    call_command("verify_backup", backup.name)


class SmallParts(BucketStorage):
    """The smallest parts that S3 takes."""

    part_bytes = 5 << 20


def test_a_large_backup_is_sent_in_parts(
    bucket: Bucket, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster.connect(environment.DATABASE) as admin:
        # Hexadecimal text of chance packs to a half.
        admin.execute(
            "CREATE TABLE noise AS SELECT string_agg(md5(random()::text || n), '') AS word"
            " FROM generate_series(1, 400000) n GROUP BY n / 100"
        )
        admin.execute("ALTER TABLE noise OWNER TO test_owner")
        backend = f"{SmallParts.__module__}.{SmallParts.__name__}"
        try:
            with places.stored_in(monkeypatch, backend, _options(bucket)):
                call_command("dbbackup", "--quiet", "--no-fingerprints")
                (backup,) = catalogue.backups()
                assert catalogue.checksum(backup.name) == (backup.bytes, backup.sha256)
        finally:
            admin.execute("DROP TABLE noise")
    head = bucket.client.head_object(Bucket="kept", Key=f"holdfast/{backup.name}")
    assert head["ContentLength"] == backup.bytes > SmallParts.part_bytes
    parts = int(head["ETag"].strip('"').rpartition("-")[2])
    assert parts == -(-backup.bytes // SmallParts.part_bytes)


class Failing(BucketStorage):
    """The bucket, with a fault after the first piece."""

    fault: Callable[[], None]

    def _save(self, name: str, content: Any) -> Any:
        if not name.endswith(".metadata"):
            content.source = _Interrupted(content.source, type(self).fault)
        return super()._save(name, content)


class _Interrupted:
    def __init__(self, source: Any, fault: Callable[[], None]) -> None:
        self.source, self.fault = source, fault

    def read(self, size: int) -> bytes:
        chunk: bytes = self.source.read(size)
        self.fault()
        return chunk


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [(places.disk_full, "No space left"), (places.end_server_sessions, "pg_dump: error")],
)
def test_an_upload_that_fails_leaves_no_object(
    bucket: Bucket,
    cluster: Cluster,
    fault: Callable[[], None],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raised: list[bool] = []

    def once() -> None:
        if not raised:
            raised.append(True)
            fault()

    Failing.fault = staticmethod(once)  # type: ignore[assignment,method-assign]
    options = _options(bucket)
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("CREATE TABLE noise AS SELECT md5(n::text) FROM generate_series(1, 90000) n")
        admin.execute("ALTER TABLE noise OWNER TO test_owner")
        try:
            with (
                places.stored_in(monkeypatch, "tests.backups.test_elsewhere.Failing", options),
                pytest.raises(CommandError, match=sentence),
            ):
                call_command("dbbackup", "--quiet", "--compress")
        finally:
            admin.execute("DROP TABLE noise")
    assert bucket.names() == []
    assert bucket.uploads() == []
    assert catalogue.backups() == []
    call_command("dbbackup", "--quiet")
    assert len(catalogue.backups()) == 1


def _options(bucket: Bucket) -> dict[str, Any]:
    return {
        "bucket_name": "kept",
        "location": "holdfast",
        "endpoint_url": bucket.address,
        "region_name": "eu-north-1",
        "access_key": "id",
        "secret_key": "secret",  # pragma: allowlist secret
        "file_overwrite": False,
    }


def test_a_server_that_is_not_there_is_one_sentence(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = _options(bucket) | {"endpoint_url": "http://127.0.0.1:9"}
    with (
        places.stored_in(monkeypatch, "apps.backups.elsewhere.BucketStorage", options),
        pytest.raises(CommandError, match="Could not connect to the endpoint URL"),
    ):
        call_command("dbbackup", "--quiet")


def test_a_bucket_needs_its_name_and_a_safe_address() -> None:
    with pytest.raises(ConfigurationError, match="BACKUP_S3_BUCKET is not set"):
        backup_storage_entry(Environment({"BACKUP_STORAGE": "s3"}))
    values = {"BACKUP_STORAGE": "s3", "BACKUP_S3_BUCKET": "kept"}
    with pytest.raises(ConfigurationError, match="expected an address that begins with https"):
        backup_storage_entry(Environment({**values, "BACKUP_S3_ENDPOINT": "http://s3.example"}))
