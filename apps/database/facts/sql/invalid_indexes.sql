-- Indexes that serve no query, because their making or their dropping broke off. One that is being
-- made or dropped now looks the same, and is left out.
, building AS MATERIALIZED (
    SELECT p.relid FROM pg_catalog.pg_stat_progress_create_index p
    WHERE p.datname = pg_catalog.current_database()
),
dropping AS MATERIALIZED (
    SELECT l.relation FROM pg_catalog.pg_locks l
    WHERE l.locktype = 'relation' AND l.pid <> pg_catalog.pg_backend_pid()
      AND l.mode IN ('ShareUpdateExclusiveLock', 'AccessExclusiveLock')
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                        WHERE d.datname = pg_catalog.current_database())
)
SELECT t.schema, t.name, i.relname::text, i.relkind = 'I',
       (SELECT max(o.conname::text) FROM pg_catalog.pg_constraint o
        WHERE o.conindid = x.indexrelid AND o.contype IN ('p', 'u', 'x')),
       (SELECT count(*) FROM building b WHERE b.relid IS NULL)
FROM our_table t
JOIN pg_catalog.pg_index x ON x.indrelid = t.oid
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
WHERE NOT (x.indisvalid AND x.indisready AND x.indislive)
  AND t.oid NOT IN (SELECT b.relid FROM building b WHERE b.relid IS NOT NULL)
  AND x.indexrelid NOT IN (SELECT d.relation FROM dropping d)
ORDER BY 1, 2, 3
