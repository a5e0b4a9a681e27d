-- A crash loses all counters. It sets the time of those of the whole server, but not of a
-- database; resetting one of them by hand must not count for all.
SELECT pg_catalog.current_setting('track_counts')::boolean,
       pg_catalog.pg_is_in_recovery(),
       extract(epoch FROM pg_catalog.clock_timestamp()
                          - greatest(d.stats_reset, least(b.stats_reset, a.stats_reset)))::float8,
       ARRAY(
           SELECT coalesce(nullif(r.application_name, ''), 'a session that streams')
           FROM pg_catalog.pg_stat_replication r
           WHERE r.state IS DISTINCT FROM 'backup'
             AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_replication_slots s
                             WHERE s.active_pid = r.pid AND s.slot_type = 'logical')
           UNION
           SELECT 'slot ' || s.slot_name FROM pg_catalog.pg_replication_slots s
           WHERE s.slot_type = 'physical' AND NOT s.temporary
           ORDER BY 1
       )
FROM pg_catalog.pg_stat_bgwriter b
CROSS JOIN pg_catalog.pg_stat_archiver a
LEFT JOIN pg_catalog.pg_stat_database d ON d.datname = pg_catalog.current_database()
