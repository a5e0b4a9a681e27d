"""There is a recent backup, and it has been restored.

A backup that has not been restored does not count: a dump has no integrity of its own, and damage
shows only when somebody needs it. `dbbackup` makes one, `verify_backup` proves it.
"""

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils import timezone

from apps.backups.catalogue import SIDECAR, VERIFIED, backups, newest, newest_proof
from apps.controls.control import Action, Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import command, nothing, sequence
from apps.controls.scratch import Scratch
from config.commands import manage

# A daily backup, and an hour or two for it to run.
LONGEST_AGE = timedelta(hours=26)
LONGEST_PROOF_AGE = timedelta(days=7)


def _aged(ending: str, field: str, age: timedelta) -> Action:
    """Have the sidecars of the scratch world's backups say that they are this old."""

    def act(scratch: Scratch) -> None:
        moment = datetime.fromtimestamp(time.time(), timezone.get_default_timezone()) - age
        for path in scratch.backups.glob(f"*{ending}"):
            said = json.loads(path.read_text()) | {field: moment.isoformat()}
            path.write_text(json.dumps(said))

    return act


def _cut_short(scratch: Scratch) -> None:
    """Leave of every sidecar what a full disk would leave."""
    for path in scratch.backups.glob(f"*{SIDECAR}"):
        path.write_text(path.read_text()[:40])


def _flip_one_bit(scratch: Scratch) -> None:
    for path in scratch.backups.glob("*.zst"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


_BACKED_UP = command("dbbackup", "--quiet")
_PROVEN = sequence(_BACKED_UP, command("verify_backup", "--latest"))


@control(
    "DATA-002.1",
    "The newest backup is recent and complete",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "none at all",
            plant=nothing,
            repair=_BACKED_UP,
            near_miss=sequence(
                _BACKED_UP, _aged(SIDECAR, "finished_at", LONGEST_AGE - timedelta(hours=1))
            ),
            subject="holdfast_scratch",
            peer=True,
        ),
        Specimen(
            "too old",
            plant=sequence(
                _BACKED_UP, _aged(SIDECAR, "finished_at", LONGEST_AGE + timedelta(hours=1))
            ),
            repair=command("dbbackup", "--quiet", "--output-filename", "newer-2026.psql.bin.zst"),
            near_miss=_BACKED_UP,
            subject="holdfast_scratch",
            peer=True,
        ),
        Specimen(
            "a sidecar cut short",
            plant=sequence(_BACKED_UP, _cut_short),
            repair=command("dbbackup", "--quiet", "--output-filename", "newer-2026.psql.bin.zst"),
            near_miss=_BACKED_UP,
            subject="holdfast_scratch",
            peer=True,
        ),
    ),
)
def backup_is_recent(inspection: Inspection) -> Iterator[Finding]:
    database = str(inspection.target.entries["app"]["NAME"])
    last = newest(database)
    inspection.evidence.update(
        backups=len(backups(database)),
        newest=last.name if last else None,
        finished_at=last.finished_at.isoformat() if last else None,
        bytes=last.bytes if last else None,
    )
    if last is None:
        detail = "There is no complete backup."
    elif timezone.now() - last.finished_at > LONGEST_AGE:
        detail = f"The newest backup is of {last.finished_at:%Y-%m-%d %H:%M} UTC."
    else:
        return
    yield Finding(Level.ERROR, "No recent backup", database, detail, manage("dbbackup"))


@control(
    "DATA-002.2",
    "A backup was restored and compared not long ago",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "backed up, never restored",
            plant=_BACKED_UP,
            repair=command("verify_backup", "--latest"),
            near_miss=sequence(
                _PROVEN, _aged(VERIFIED, "verified_at", LONGEST_PROOF_AGE - timedelta(hours=1))
            ),
            subject="holdfast_scratch",
            peer=True,
        ),
        Specimen(
            "a flipped bit",
            plant=sequence(_BACKED_UP, _flip_one_bit, command("verify_backup", "--latest")),
            repair=sequence(
                command("dbbackup", "--quiet", "--output-filename", "newer-2026.psql.bin.zst"),
                command("verify_backup", "--latest"),
            ),
            near_miss=_PROVEN,
            subject="holdfast_scratch",
            peer=True,
        ),
        Specimen(
            "proven too long ago",
            plant=sequence(
                _PROVEN, _aged(VERIFIED, "verified_at", LONGEST_PROOF_AGE + timedelta(hours=1))
            ),
            repair=command("verify_backup", "--latest"),
            near_miss=_PROVEN,
            subject="holdfast_scratch",
            peer=True,
        ),
    ),
)
def restore_is_recent(inspection: Inspection) -> Iterator[Finding]:
    database = str(inspection.target.entries["app"]["NAME"])
    proof = newest_proof(database)
    inspection.evidence.update(
        backup=proof.name if proof else None,
        verified_at=proof.verified_at.isoformat() if proof else None,
        restore_seconds=proof.restore_seconds if proof else None,
    )
    if proof is None:
        detail = "No backup that exists has ever been restored successfully."
    elif timezone.now() - proof.verified_at > LONGEST_PROOF_AGE:
        detail = f"The last successful restore was on {proof.verified_at:%Y-%m-%d}."
    else:
        return
    yield Finding(
        Level.ERROR,
        "No recent verified restore",
        database,
        detail,
        f"{manage('dbbackup')} && {manage('verify_backup --latest')}",
    )
