"""Facts about standbys: how far behind this server is, or those that follow it."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper

from apps.database.facts.roles import is_member


@dataclass(frozen=True)
class Replication:
    """Seconds behind by standby; `standby` is this server itself where it is one.

    None as a lag says that the standby has not told it yet, or that this role may not see it.
    """

    standby: bool
    lags: dict[str, float | None]

    @property
    def unseen(self) -> bool:
        return None in self.lags.values()

    @property
    def longest(self) -> float | None:
        """None where nothing is behind anything, or nothing can be told."""
        return max((lag for lag in self.lags.values() if lag is not None), default=None)


def replication(cursor: CursorWrapper) -> Replication:
    """How far behind standbys are; what is replayed up to the end is no second behind."""
    cursor.execute(
        """
        SELECT pg_catalog.pg_is_in_recovery(),
               CASE WHEN pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn()
                    THEN 0
                    ELSE extract(epoch FROM pg_catalog.clock_timestamp()
                                 - pg_catalog.pg_last_xact_replay_timestamp())
               END::float8
        """
    )
    standby, own_lag = cursor.fetchone()
    if standby:
        return Replication(True, {"this": own_lag})
    cursor.execute(
        """
        SELECT coalesce(application_name, '') || ' ' || pid,
               CASE WHEN state = 'streaming' AND replay_lsn = sent_lsn THEN 0
                    ELSE extract(epoch FROM replay_lag)
               END::float8
        FROM pg_catalog.pg_stat_replication ORDER BY 1
        """
    )
    followers = dict(cursor.fetchall())
    if not is_member(cursor, "pg_monitor"):
        # That somebody follows is visible to everybody; how far behind is not.
        followers = dict.fromkeys(followers)
    return Replication(False, followers)
