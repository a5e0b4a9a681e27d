"""Facts about replication slots: who still needs the server's old WAL."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True)
class Slot:
    """A replication slot, and the bytes of WAL that the server keeps for it.

    `status` is the server's word for its WAL: reserved, extended, unreserved or lost; None where it
    keeps none.
    """

    name: str
    kind: str
    active: bool
    status: str | None
    kept_bytes: int


def slots(cursor: CursorWrapper) -> list[Slot]:
    """The slots of the server, by name; everybody may see them."""
    cursor.execute(
        """
        WITH here AS (
            SELECT CASE WHEN pg_catalog.pg_is_in_recovery()
                        THEN pg_catalog.pg_last_wal_replay_lsn()
                        ELSE pg_catalog.pg_current_wal_insert_lsn() END AS lsn
        )
        SELECT s.slot_name, s.slot_type, s.active, s.wal_status,
               coalesce(pg_catalog.pg_wal_lsn_diff(here.lsn, s.restart_lsn), 0)::bigint
        FROM pg_catalog.pg_replication_slots s, here ORDER BY 1
        """
    )
    return [Slot(*row) for row in cursor.fetchall()]
