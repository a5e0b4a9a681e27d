-- Large tables, how well the planner's statistics know them, and whether this role may see those.
, large AS MATERIALIZED (
    SELECT t.*, pg_catalog.has_table_privilege(t.oid, 'SELECT')
                AND NOT pg_catalog.row_security_active(t.oid) AS is_visible,
           greatest(pg_catalog.pg_stat_get_last_analyze_time(t.oid),
                    pg_catalog.pg_stat_get_last_autoanalyze_time(t.oid)) AS analyzed_at,
           pg_catalog.pg_stat_get_mod_since_analyze(t.oid) AS modified,
           coalesce((SELECT split_part(o, '=', 2)::int FROM unnest(t.reloptions) AS o
                     WHERE split_part(o, '=', 1) = 'fillfactor'), 100) AS fill
    FROM our_table t
    WHERE t.kind IN ('r', 'm') AND t.relpages >= %s
)
SELECT l.oid::bigint, l.schema, l.name, l.relpages::bigint, l.reltuples::float8, l.fill,
       l.is_visible, l.analyzed_at IS NOT NULL, l.modified::float8,
       (SELECT json_agg(json_build_array(a.attnum, a.attlen, a.attalign, s.avg_width, s.null_frac)
                        ORDER BY a.attnum)
        FROM pg_catalog.pg_attribute a
        LEFT JOIN pg_catalog.pg_stats s
          ON s.schemaname = l.schema AND s.tablename = l.name AND s.attname = a.attname
         AND NOT s.inherited
        WHERE a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped
          AND a.attgenerated <> 'v'),
       (SELECT json_agg(json_build_array(i.relname, i.relpages, i.reltuples, x.indkey::text,
                                         coalesce((SELECT split_part(o, '=', 2)::int
                                                   FROM unnest(i.reloptions) AS o
                                                   WHERE split_part(o, '=', 1) = 'fillfactor'),
                                                  90)) ORDER BY i.relname)
        FROM pg_catalog.pg_index x
        JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
        JOIN pg_catalog.pg_am m ON m.oid = i.relam AND m.amname = 'btree'
        WHERE x.indrelid = l.oid AND x.indisvalid AND x.indexprs IS NULL AND i.relpages >= %s)
FROM large l
ORDER BY l.schema, l.name
