"""What is kept, what goes, what is copied, and what a provider is believed."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from apps.backups.catalogue import SIDECAR, Backup, backups
from apps.backups.models import Attestation, BackupRow
from apps.backups.offsite import copy_missing, difference, offsite_storage
from apps.backups.retention import decide
from tests import environment
from tests.backups import places

KEEP = {"DAYS": 2, "DAILY": 7, "WEEKLY": 5, "MONTHLY": 12}
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def backup(age: timedelta, name: str | None = None, **more: Any) -> Backup:
    moment = NOW - age
    said: dict[str, Any] = {
        "name": name or f"{moment:%Y%m%dT%H%M}.bin", "database": "service",
        "server_version": "18.0", "tool_version": 18, "started_at": moment, "finished_at": moment,
        "bytes": 10, "sha256": "0", "location": "/x", "compression": "zstd", "encryption": None,
        "recipients": [], "partial": False, "fingerprints": True, "schema_digest": "",
        "locale": {}, "extensions": {}, "migrations": {}, "tables": {}, "sequences": {},
    }  # fmt: skip
    return Backup(**said | more)


def test_a_year_of_daily_backups_comes_down_to_days_weeks_and_months() -> None:
    daily = [backup(timedelta(days=n)) for n in range(366)]
    made = decide(daily, set(), KEEP, NOW)
    kept = [decision for decision in made if decision.kept]
    words = [" ".join(decision.reasons) for decision in kept]
    assert sum("of its day" in w for w in words) == 7
    assert sum("of its week" in w for w in words) == 5
    assert sum("of its month" in w for w in words) == 12
    assert len(made) == 366
    assert made[0].reasons == (
        "younger than 2 days", "newest of its day", "newest of its week", "newest of its month",
        "the newest",
    )  # fmt: skip


def test_the_last_proven_backup_is_never_deleted_however_old() -> None:
    none = {"DAYS": 1, "DAILY": 1, "WEEKLY": 0, "MONTHLY": 0}
    made = decide(
        [backup(timedelta(days=n), f"b{n}") for n in (10, 20, 30)], {"b30", "b20"}, none, NOW
    )
    assert {d.backup.name: d.reasons for d in made} == {
        "b10": ("newest of its day", "the newest"),
        "b20": ("the newest proven",),
        "b30": (),
    }


def test_a_partial_backup_stands_in_for_no_whole_one() -> None:
    made = decide(
        [backup(timedelta(days=9), "part", partial=True), backup(timedelta(days=10), "whole")],
        set(), KEEP, NOW,
    )  # fmt: skip
    assert [d.kept for d in made] == [False, True]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with places.stored_in(monkeypatch, places.FILE, places.folder_options(tmp_path / "backups")):
        yield tmp_path / "backups"


def said(command: str, *arguments: str) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def age(folder: Path, name: str, days: float) -> None:
    path = folder / f"{name}{SIDECAR}"
    moment = timezone.now() - timedelta(days=days)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"finished_at": moment.isoformat()}))


@pytest.mark.django_db(transaction=True)
def test_pruning_pretends_until_it_is_told_and_goes_by_exact_names(folder: Path) -> None:
    for name in ("a.bin", "a.bin.zst", "b.bin"):
        call_command("dbbackup", "--quiet", "--output-filename", name)
    age(folder, "a.bin", 40)
    age(folder, "a.bin.zst", 39.9999)
    # Another database's, and a file that is nobody's backup.
    (folder / "foreign.bin").write_bytes(b"x")
    assert "Nothing was changed" in said("prune_backups")
    assert len(backups()) == 3
    shown = json.loads(said("prune_backups", "--commit", "--format", "json"))
    assert [b["name"] for b in shown["backups"] if not b["kept"]] == ["a.bin"]
    assert {b.name for b in backups()} == {"a.bin.zst", "b.bin"}
    assert set(BackupRow.objects.values_list("name", flat=True)) == {"a.bin.zst", "b.bin"}
    assert (folder / "foreign.bin").exists()
    assert not (folder / f"a.bin{SIDECAR}").exists()


@pytest.mark.django_db(transaction=True)
def test_copies_are_read_back_and_told_when_they_differ(folder: Path, tmp_path: Path) -> None:
    call_command("dbbackup", "--quiet", "--output-filename", "a.bin")
    with pytest.raises(CommandError, match="There is no second place for backups"):
        call_command("copy_backups")
    second = {"BACKEND": places.FILE, "OPTIONS": places.folder_options(tmp_path / "second")}
    first = {"BACKEND": places.FILE, "OPTIONS": places.folder_options(folder)}
    with override_settings(STORAGES={"dbbackup": first, "offsite": second}):
        assert "Copied a.bin" in said("copy_backups")
        assert copy_missing(environment.DATABASE) == []
        storage, (made,) = offsite_storage(), backups()
        assert storage is not None
        assert difference(made, storage) is None
        copy = tmp_path / "second" / "a.bin"
        assert copy.read_bytes() == (folder / "a.bin").read_bytes()
        copy.write_bytes(b"x")
        assert difference(made, storage) == f"the copy has 1 bytes instead of {made.bytes}"
        assert copy_missing(environment.DATABASE) == ["a.bin"]


@pytest.mark.django_db(transaction=True)
def test_an_attestation_says_who_has_looked() -> None:
    arguments = ("--schedule", "daily", "--retention-days", "7", "--checked-by", "operations")
    with pytest.raises(CommandError, match="BACKUP_PROVIDER is not set"):
        call_command("attest_backups", *arguments)
    with override_settings(BACKUP_PROVIDER="Railway"):
        assert "Recorded; it holds until" in said("attest_backups", *arguments)
        found = Attestation.objects.newest_of("Railway")
    assert found is not None
    assert (found.schedule, found.retention_days, found.checked_by) == ("daily", 7, "operations")
