"""Nobody who is gone makes the server keep its WAL until the disk is full.

A replication slot whose consumer does not come back holds every segment written since. When the
disk is full the server stops, and does not start again until somebody makes room.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from psycopg.sql import SQL

from apps.controls.control import Finding, Level, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import configure, open_session, sequence, sql
from apps.database.facts.replication import slots
from apps.database.facts.server import integer_setting

if TYPE_CHECKING:
    from apps.controls.scratch import Scratch

# Four segments of the usual size: what a consumer that restarts leaves behind in between.
KEPT_BYTES = 64 << 20
_SWITCHES = 6


def _write_wal(scratch: "Scratch") -> None:
    """Begin new segments, which move the server's position by 16 MB each."""
    with scratch.connect("superuser") as admin:
        for _ in range(_SWITCHES):
            admin.execute("SELECT pg_catalog.pg_logical_emit_message(false, 'planted', 'x')")
            admin.execute("SELECT pg_catalog.pg_switch_wal()")


def _drop_slots(scratch: "Scratch") -> None:
    """Slots are the server's, not the database's: a fresh database would still meet them."""
    scratch.end_sessions()
    with scratch.connect("superuser") as admin:
        admin.execute(
            SQL(
                "SELECT pg_catalog.pg_drop_replication_slot(slot_name)"
                " FROM pg_catalog.pg_replication_slots WHERE NOT active"
            )
        )


_RESERVES = "SELECT pg_catalog.pg_create_physical_replication_slot('planted', true)"
_HELD = "SELECT pg_catalog.pg_create_physical_replication_slot('held', true, true)"


@control(
    "OPS-002.4",
    "No replication slot that nobody reads keeps the WAL",
    specimens=(
        Specimen(
            "a standby that was switched off",
            plant=sequence(_drop_slots, sql(_RESERVES), _write_wal),
            repair=_drop_slots,
            # Somebody reads the one, and the other keeps nothing.
            near_miss=sequence(
                _drop_slots,
                open_session("superuser", _HELD),
                sql("SELECT pg_catalog.pg_create_physical_replication_slot('planted', false)"),
                _write_wal,
            ),
            subject="planted",
        ),
        Specimen(
            "its WAL is lost already",
            plant=sequence(
                _drop_slots,
                configure(max_slot_wal_keep_size="16MB"),
                sql(_RESERVES),
                _write_wal,
                sql("CHECKPOINT"),
            ),
            repair=_drop_slots,
            near_miss=sequence(
                _drop_slots,
                configure(max_slot_wal_keep_size="16MB"),
                open_session("superuser", _HELD),
            ),
            subject="planted",
        ),
    ),
)
def no_slot_is_orphaned(inspection: Inspection) -> Iterator[Finding]:
    found = slots(inspection.cursor)
    limit = integer_setting(inspection.cursor, "max_slot_wal_keep_size")
    inspection.evidence.update(
        slots={slot.name: slot.kept_bytes for slot in found},
        threshold_bytes=KEPT_BYTES,
        max_slot_wal_keep_size_mb=limit,
    )
    for slot in found:
        lost = slot.status in ("unreserved", "lost")
        if slot.active or not (lost or slot.kept_bytes > KEPT_BYTES):
            continue
        kept = f"it keeps {slot.kept_bytes >> 20} MB of WAL"
        bound = f"at most {limit} MB" if limit >= 0 else "without bound"
        yield Finding(
            # With a bound the consumer is lost, and not the server.
            Level.ERROR if limit < 0 else Level.WARNING,
            "A replication slot has no reader",
            slot.name,
            f"Nobody reads the {slot.kind} slot; "
            + ("its WAL is gone, so its reader must begin anew." if lost else f"{kept}, {bound}."),
            f"Bring its reader back, or: SELECT pg_drop_replication_slot('{slot.name}');"
            + ("" if limit >= 0 else " Then ALTER SYSTEM SET max_slot_wal_keep_size = '10GB';"),
        )
