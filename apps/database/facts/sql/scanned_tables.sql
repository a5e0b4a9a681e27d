-- Large tables whose rows have all been read, again and again: how often, as whole readings.
, counted AS MATERIALIZED (
    SELECT t.oid, t.schema, t.name,
           greatest(pg_catalog.pg_stat_get_live_tuples(t.oid), t.reltuples)::float8 AS live,
           pg_catalog.pg_stat_get_tuples_returned(t.oid)::float8 AS read,
           pg_catalog.pg_stat_get_numscans(t.oid) AS scans
    FROM our_table t
    WHERE t.kind IN ('r', 'm')
),
reading AS MATERIALIZED (
    SELECT c.*,
           -- Scans that stopped early count by what they read; so do the parts of a parallel one.
           CASE WHEN c.read >= 0.4 * c.scans * c.live THEN c.scans ELSE c.read / c.live END AS times
    FROM counted c
    WHERE c.live >= %s
)
SELECT c.schema, c.name, c.live::bigint, c.times::float8, c.scans,
       coalesce((SELECT sum(pg_catalog.pg_stat_get_numscans(x.indexrelid))
                 FROM pg_catalog.pg_index x WHERE x.indrelid = c.oid), 0)::bigint
FROM reading c
WHERE c.times >= %s
ORDER BY 1, 2
