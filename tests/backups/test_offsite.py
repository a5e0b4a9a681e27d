"""Copies in a bucket are read back, and DATA-002.5 tells when they are not what was copied."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.backups.catalogue import SIDECAR
from config.env import BASE_DIR
from tests.backups.buckets import Bucket, made_bucket, s3_server
from tests.backups.service import Service, service

NAME = "backup.psql.bin.zst"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("backups")) as made:
        made.back_up(NAME)
        yield made


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(server: str) -> Iterator[Bucket]:
    with made_bucket(server) as made:
        yield made


def offsite(bucket: Bucket, **more: str) -> dict[str, str]:
    return {**bucket.variables(), "BACKUP_OFFSITE_BUCKET": "kept", **more}


def judged(world: Service, variables: dict[str, str]) -> dict[str, Any]:
    """What DATA-002.5 says."""
    answer = world.manage(
        "assess", "--control", "DATA-002.5", "--no-record", "--format", "json", **variables
    )
    (verdict,) = json.loads(answer.stdout)["verdicts"]
    found: dict[str, Any] = verdict
    return found


def test_a_copy_in_a_bucket_is_held_to_what_was_copied(world: Service, bucket: Bucket) -> None:
    variables = offsite(bucket)
    verdict = judged(world, variables)
    assert verdict["state"] == "fail"
    assert verdict["findings"][0]["detail"] == "there is no copy"
    assert f"Copied {NAME}" in world.done("copy_backups", **variables)
    assert "0 copied" in world.done("copy_backups", **variables)
    assert set(bucket.names()) == {f"holdfast/{NAME}", f"holdfast/{NAME}{SIDECAR}"}
    assert bucket.content(f"holdfast/{NAME}") == (world.folder / NAME).read_bytes()
    verdict = judged(world, variables)
    assert (verdict["state"], verdict["evidence"]["read_back"]) == ("pass", True)


def flipped(bucket: Bucket) -> None:
    content = bytearray(bucket.content(f"holdfast/{NAME}"))
    content[len(content) // 2] ^= 1
    bucket.put(f"holdfast/{NAME}", bytes(content))


def cut_short(bucket: Bucket) -> None:
    bucket.put(f"holdfast/{NAME}", bucket.content(f"holdfast/{NAME}")[:100])


def without_sidecar(bucket: Bucket) -> None:
    bucket.client.delete_object(Bucket="kept", Key=f"holdfast/{NAME}{SIDECAR}")


def of_another_backup(bucket: Bucket) -> None:
    key = f"holdfast/{NAME}{SIDECAR}"
    bucket.put(key, json.dumps(json.loads(bucket.content(key)) | {"sha256": "0" * 64}).encode())


SPOILT = {
    "flipped": (flipped, "the copy's checksum is not the backup's"),
    "cut short": (cut_short, "the copy has 100 bytes instead of"),
    "no sidecar": (without_sidecar, "there is no copy"),
    "another's": (of_another_backup, "the copy is of another backup of the same name"),
}


@pytest.mark.parametrize(("spoil", "detail"), SPOILT.values(), ids=SPOILT)
def test_a_spoilt_copy_in_a_bucket_is_told_and_made_anew(
    world: Service, bucket: Bucket, spoil: Any, detail: str
) -> None:
    variables = offsite(bucket)
    world.done("copy_backups", **variables)
    spoil(bucket)
    verdict = judged(world, variables)
    assert verdict["state"] == "fail"
    assert detail in verdict["findings"][0]["detail"]
    # A flipped bit leaves size and sidecar right: only who reads it to the end finds out.
    assert f"Copied {NAME}" in world.done("copy_backups", "--read-back", **variables)
    assert "0 copied" in world.done("copy_backups", "--read-back", **variables)
    assert judged(world, variables)["state"] == "pass"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"BACKUP_OFFSITE_BUCKET": "nobodys"}, "NoSuchBucket"),
        ({"BACKUP_S3_ENDPOINT": "http://127.0.0.1:9"}, "Could not connect to the endpoint URL"),
    ],
    ids=["no bucket", "no server"],
)
def test_a_second_place_that_is_not_there_is_one_sentence(
    world: Service, bucket: Bucket, wrong: dict[str, str], sentence: str
) -> None:
    assert sentence in world.refused("copy_backups", **offsite(bucket, **wrong))


def test_the_first_place_is_no_second_one(world: Service) -> None:
    same = {"BACKUP_OFFSITE_DIR": str(world.folder)}
    said = world.refused("copy_backups", **same)
    assert "where the backups are already; expected another one" in said
    assert (world.folder / NAME).exists()
    assert judged(world, same)["state"] == "fail"


def test_backups_of_a_bucket_are_copied_into_a_folder(
    world: Service, bucket: Bucket, tmp_path: Path
) -> None:
    variables = {
        **bucket.variables(), "BACKUP_STORAGE": "s3", "BACKUP_S3_BUCKET": "kept",
        "BACKUP_OFFSITE_DIR": str(tmp_path / "second"),
    }  # fmt: skip
    world.done("dbbackup", "--quiet", "--output-filename", "far.psql.bin.zst", **variables)
    assert "Copied far.psql.bin.zst" in world.done("copy_backups", **variables)
    copy = tmp_path / "second" / "far.psql.bin.zst"
    assert copy.read_bytes() == bucket.content("holdfast/far.psql.bin.zst")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert judged(world, variables)["state"] == "pass"


def test_the_rule_that_the_document_gives_is_one_that_a_bucket_takes(bucket: Bucket) -> None:
    document = (BASE_DIR / "docs" / "backup-and-restore.md").read_text(encoding="utf-8")
    (rules,) = (part.partition("```")[0] for part in document.split("```json\n")[1:])
    bucket.client.put_bucket_lifecycle_configuration(
        Bucket="kept", LifecycleConfiguration=json.loads(rules)
    )
    (rule,) = bucket.client.get_bucket_lifecycle_configuration(Bucket="kept")["Rules"]
    assert rule["Status"] == "Enabled"
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}
