-- Large indexes that no query has used since the counters began, and that nothing else needs. A
-- partitioned index is all its parts together.
, part AS MATERIALIZED (
    WITH RECURSIVE member AS (
        SELECT s.indexrelid AS root, s.indexrelid AS id FROM index_shape s WHERE NOT s.is_attached
        UNION ALL
        SELECT m.root, h.inhrelid
        FROM member m JOIN pg_catalog.pg_inherits h ON h.inhparent = m.id
    )
    SELECT m.root, m.id, c.relpages FROM member m JOIN pg_catalog.pg_class c ON c.oid = m.id
),
large AS MATERIALIZED (
    SELECT p.root, sum(p.relpages)::bigint AS pages FROM part p
    GROUP BY p.root HAVING sum(p.relpages) >= %s
),
idle AS MATERIALIZED (
    SELECT l.root, l.pages FROM large l
    WHERE (SELECT sum(pg_catalog.pg_stat_get_numscans(p.id)) FROM part p WHERE p.root = l.root) = 0
)
SELECT s.schema, s.table_name, s.name,
       i.pages * pg_catalog.current_setting('block_size')::bigint, s.kind = 'p',
       CASE WHEN pg_catalog.current_setting('track_commit_timestamp')::boolean THEN
           extract(epoch FROM pg_catalog.clock_timestamp()
                              - pg_catalog.pg_xact_commit_timestamp(c.xmin))::float8 END
FROM idle i
JOIN index_shape s ON s.indexrelid = i.root
JOIN pg_catalog.pg_class c ON c.oid = i.root
WHERE NOT s.is_unique AND s.constraint_name IS NULL AND NOT s.is_identity
  -- What looks a foreign key up must be there for the day when it is wanted.
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint f
                  WHERE f.conrelid = s.indrelid AND f.contype = 'f'
                    AND starts_with(s.columns || ' ', array_to_string(f.conkey, ' ') || ' '))
ORDER BY 1, 2, 3
