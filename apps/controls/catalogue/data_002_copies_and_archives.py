"""Backups are of a likely size, kept as long as promised, and not only where the database is.

`prune_backups` keeps the policy, `copy_backups` fills the second place, and what a provider does
by itself is believed for 90 days after somebody has looked: `attest_backups`.
"""

import json
import shutil
import statistics
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from apps.backups.catalogue import SIDECAR, backup_storage, backups, newest
from apps.backups.models import Attestation
from apps.backups.offsite import (
    difference,
    is_the_first_place,
    lies_on_this_machine,
    offsite_storage,
)
from apps.backups.retention import decisions
from apps.controls.control import (
    Action,
    CannotSee,
    Finding,
    Inapplicable,
    Level,
    NotApplicable,
    Scope,
    Specimen,
    control,
)
from apps.controls.inspection import Inspection, sees_monitoring
from apps.controls.planting import checksums, command, configure, environment, nothing, sequence
from apps.controls.scratch import Scratch
from apps.database.facts.archiving import archiver
from apps.database.facts.server import setting
from config.commands import manage

# Of the median of those before; a table that was emptied shows here first.
SMALLEST_SHARE = 0.5
COMPARED = 5
# How long after its day a backup may wait for the next run of prune_backups.
GRACE = timedelta(days=2)
# A larger copy is compared by its size and sidecar; copy_backups has read it back once.
READ_BACK_BYTES = 64 << 20
VALID = timedelta(days=90)


def _database(inspection: Inspection) -> str:
    return str(inspection.target.entries["app"]["NAME"])


def _earlier(name: str, age: timedelta, factor: float = 1.0) -> Action:
    """A copy of the world's newest backup that says that it is older, and of another size."""

    def act(scratch: Scratch) -> None:
        source = max(scratch.backups.glob(f"backup*{SIDECAR}"))
        said = json.loads(source.read_text())
        moment = datetime.fromtimestamp(time.time(), timezone.get_default_timezone()) - age
        shutil.copyfile(scratch.backups / said["name"], scratch.backups / name)
        said |= {"name": name, "bytes": int(said["bytes"] * factor)}
        said |= {"finished_at": moment.isoformat(), "started_at": moment.isoformat()}
        (scratch.backups / f"{name}{SIDECAR}").write_text(json.dumps(said))

    return act


def _damage_copy(scratch: Scratch) -> None:
    for path in (scratch.project / "elsewhere").glob("*.zst"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def _cut_copy(scratch: Scratch) -> None:
    for path in (scratch.project / "elsewhere").glob("*.zst"):
        path.write_bytes(path.read_bytes()[:100])


_BACKED_UP = command("dbbackup", "--quiet", "--output-filename", "backup.psql.bin.zst")
_ANOTHER = command("dbbackup", "--quiet", "--output-filename", "backup-2.psql.bin.zst")
_ELSEWHERE = environment(BACKUP_OFFSITE_DIR="{scratch.project}/elsewhere")
_COPIED = sequence(_ELSEWHERE, _BACKED_UP, command("copy_backups"))


@control(
    "DATA-002.3",
    "The newest backup has not shrunk suddenly",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a third of what it was",
            plant=sequence(_BACKED_UP, _earlier("older.psql.bin.zst", timedelta(days=1), 3.0)),
            repair=sequence(
                _earlier("repaired.psql.bin.zst", timedelta(seconds=-5), 3.0),
            ),
            near_miss=sequence(_BACKED_UP, _earlier("older.psql.bin.zst", timedelta(days=1), 1.5)),
            subject="backup.psql.bin.zst",
            peer=True,
        ),
    ),
)
def size_is_likely(inspection: Inspection) -> Iterator[Finding]:
    whole = [backup for backup in backups(_database(inspection)) if not backup.partial]
    sizes = [backup.bytes for backup in whole]
    inspection.evidence.update(sizes_oldest_first=sizes[-COMPARED - 1 :])
    if len(whole) < 2:
        return
    usual = statistics.median(sizes[-COMPARED - 1 : -1])
    if sizes[-1] < usual * SMALLEST_SHARE:
        yield Finding(
            Level.ERROR,
            "The newest backup is much smaller",
            whole[-1].name,
            f"It has {sizes[-1]} bytes; those before had {usual:.0f}. Rows may have been lost.",
            manage("verify_backup --latest"),
        )


@control(
    "DATA-002.4",
    "Backups are kept as long as the policy says, and no longer",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "nobody prunes",
            plant=sequence(
                _BACKED_UP,
                _earlier("old.psql.bin.zst", timedelta(days=40)),
                _earlier("older.psql.bin.zst", timedelta(days=40, seconds=1)),
            ),
            repair=command("prune_backups", "--commit"),
            near_miss=sequence(_BACKED_UP, _earlier("old.psql.bin.zst", timedelta(days=40))),
            subject="older.psql.bin.zst",
            peer=True,
        ),
    ),
)
def retention_is_kept(inspection: Inspection) -> Iterator[Finding]:
    made = decisions(_database(inspection))
    inspection.evidence.update(policy=settings.BACKUP_KEEP, backups=len(made))
    latest = timezone.now() - timedelta(days=settings.BACKUP_KEEP["DAYS"]) - GRACE
    for decision in made:
        if not decision.kept and decision.backup.finished_at < latest:
            yield Finding(
                Level.WARNING,
                "A backup outlives the policy",
                decision.backup.name,
                f"It is of {decision.backup.finished_at:%Y-%m-%d}, and nothing keeps it.",
                manage("prune_backups --commit"),
            )


@control(
    "DATA-002.5",
    "A copy of the newest backup lies on another machine, and is the same",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "no second place",
            plant=_BACKED_UP,
            repair=sequence(_ELSEWHERE, command("copy_backups")),
            near_miss=_COPIED,
            subject="holdfast_scratch",
            peer=True,
        ),
        Specimen(
            "the second place is the first",
            plant=sequence(environment(BACKUP_OFFSITE_DIR="{scratch.backups}"), _BACKED_UP),
            repair=sequence(_ELSEWHERE, command("copy_backups")),
            near_miss=_COPIED,
            subject="holdfast_scratch",
            peer=True,
        ),
        Specimen(
            "a newer backup is not copied",
            plant=sequence(_COPIED, _ANOTHER),
            repair=command("copy_backups"),
            near_miss=_COPIED,
            subject="backup-2.psql.bin.zst",
            peer=True,
        ),
        Specimen(
            "a copy cut short",
            plant=sequence(_COPIED, _cut_copy),
            repair=command("copy_backups"),
            near_miss=_COPIED,
            subject="backup.psql.bin.zst",
            peer=True,
        ),
        Specimen(
            "a flipped bit in the copy",
            plant=sequence(_COPIED, _damage_copy),
            repair=command("copy_backups", "--read-back"),
            near_miss=_COPIED,
            subject="backup.psql.bin.zst",
            peer=True,
        ),
    ),
)
def copy_is_elsewhere(inspection: Inspection) -> Iterator[Finding]:
    database, storage = _database(inspection), offsite_storage()
    last = newest(database)
    if last is None:
        raise CannotSee("There is no backup that could have a copy.", manage("dbbackup"))
    if storage is not None and is_the_first_place(storage):
        storage = None
    if storage is None and not lies_on_this_machine(backup_storage()):
        inspection.evidence.update(newest=last.name, place=last.location)
        return
    if storage is None:
        detail = f"The backups lie in {last.location} only, and are lost with the machine."
        remedy = "BACKUP_OFFSITE_BUCKET=… or BACKUP_STORAGE=s3"
        yield Finding(Level.ERROR, "No copy elsewhere", database, detail, remedy)
        return
    read_back = last.bytes <= READ_BACK_BYTES
    wrong = difference(last, storage, read_back=read_back)
    inspection.evidence.update(newest=last.name, read_back=read_back)
    if wrong:
        remedy = manage("copy_backups --read-back")
        yield Finding(Level.ERROR, "No true copy elsewhere", last.name, wrong, remedy)


def _until_archived(scratch: Scratch, *, failing: bool) -> None:
    deadline = time.monotonic() + 20
    with scratch.connect("superuser") as admin:
        admin.execute("SELECT pg_catalog.pg_switch_wal()")
        while time.monotonic() < deadline:
            row = admin.execute(
                "SELECT coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'),"
                " false), archived_count + failed_count > 0 FROM pg_catalog.pg_stat_archiver"
            ).fetchone()
            if row == (failing, True):
                return
            time.sleep(0.05)
    raise TimeoutError("the archiver did not get so far")


def _write_wal(scratch: Scratch) -> None:
    with scratch.connect("superuser") as admin:
        admin.execute("CREATE TABLE IF NOT EXISTS public.wal_made (n int)")
        admin.execute("INSERT INTO public.wal_made SELECT generate_series(1, 1000)")


_ARCHIVED = sequence(
    configure(archive_command="/bin/true"), _write_wal, lambda s: _until_archived(s, failing=False)
)


@control(
    "DATA-002.6",
    "WAL archiving, where it is on, succeeds",
    sees=(sees_monitoring,),
    not_applicable={"off": "WAL archiving is off; the dumps are the backups."},
    inapplicable=(Inapplicable("archiving is off", "off", plant=nothing),),
    specimens=(
        Specimen(
            "the command fails",
            plant=sequence(
                configure(archive_command="/bin/false"),
                _write_wal,
                lambda s: _until_archived(s, failing=True),
            ),
            repair=_ARCHIVED,
            near_miss=_ARCHIVED,
            subject="archive_command",
            needs="archiving",
        ),
        Specimen(
            "no command",
            plant=configure(archive_command=""),
            repair=_ARCHIVED,
            near_miss=_ARCHIVED,
            subject="archive_command",
            needs="archiving",
        ),
    ),
)
def archiving_succeeds(inspection: Inspection) -> Iterator[Finding]:
    if setting(inspection.cursor, "archive_mode") == "off":
        raise NotApplicable("off")
    found = archiver(inspection.cursor)
    inspection.evidence.update(archived=found.archived, failed=found.failed)
    command_set = setting(inspection.cursor, "archive_command") not in (None, "", "(disabled)")
    if not command_set and not setting(inspection.cursor, "archive_library"):
        detail = "archive_mode is on and no command says where to: WAL piles up on the disk."
        remedy = "ALTER SYSTEM SET archive_command = 'pgbackrest --stanza=main archive-push %p';"
        yield Finding(Level.ERROR, "Archiving has no command", "archive_command", detail, remedy)
    elif found.failing:
        yield Finding(
            Level.ERROR,
            "Archiving fails",
            "archive_command",
            f"{found.last_failed_wal} could not be archived at {found.last_failed_at}.",
            "Look for 'archive command failed' in the server's log.",
        )


@control(
    "DATA-002.7",
    "Data pages carry checksums",
    specimens=(
        Specimen(
            "checksums are off",
            plant=checksums("--disable"),
            repair=checksums("--enable"),
            near_miss=nothing,
            subject="data_checksums",
        ),
    ),
)
def pages_have_checksums(inspection: Inspection) -> Iterator[Finding]:
    value = setting(inspection.cursor, "data_checksums")
    inspection.evidence.update(data_checksums=value)
    if value != "on":
        yield Finding(
            Level.WARNING,
            "Silent damage stays silent",
            "data_checksums",
            "A page that the disk has changed is read, and dumped, as if nothing were wrong.",
            "pg_checksums --enable, with the server stopped; or initdb --data-checksums",
        )


def _attested(retention_days: int) -> Action:
    return sequence(
        environment(BACKUP_PROVIDER="Railway"),
        command(
            *("attest_backups", "--schedule", "daily", "--checked-by", "operations"),
            *("--retention-days", str(retention_days)),
        ),
    )


@control(
    "DATA-002.8",
    "A provider's own backups are what somebody has seen them to be",
    scope=Scope.APPLICATION,
    not_applicable={"none": "BACKUP_PROVIDER is not set: no provider's backups are relied upon."},
    inapplicable=(Inapplicable("no provider", "none", plant=nothing, peer=True),),
    specimens=(
        Specimen(
            "kept for a day only",
            plant=_attested(1),
            repair=_attested(30),
            near_miss=_attested(7),
            subject="Railway",
            peer=True,
        ),
    ),
)
def provider_is_attested(inspection: Inspection) -> Iterator[Finding]:
    provider = settings.BACKUP_PROVIDER
    if not provider:
        raise NotApplicable("none")
    remedy = manage("attest_backups --schedule … --retention-days … --checked-by …")
    last = Attestation.objects.newest_of(provider)
    if last is None:
        raise CannotSee(f"Nobody has looked at the backups of {provider}.", remedy)
    inspection.evidence.update(
        schedule=last.schedule,
        retention_days=last.retention_days,
        checked_by=last.checked_by,
        attested_at=last.attested_at.isoformat(),
    )
    if timezone.now() - last.attested_at > VALID:
        raise CannotSee(
            f"The last look at the backups of {provider} was on {last.attested_at:%Y-%m-%d}.",
            remedy,
        )
    if last.retention_days < settings.BACKUP_KEEP["DAILY"]:
        yield Finding(
            Level.ERROR,
            "The provider keeps too little",
            provider,
            f"It keeps {last.retention_days} days; the policy asks for "
            f"{settings.BACKUP_KEEP['DAILY']}.",
            remedy,
        )
