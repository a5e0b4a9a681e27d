-- Triggers that fill tsvector columns: PostgreSQL's own with their arguments, others with their text.
, search_column AS MATERIALIZED (
    SELECT t.oid, array_agg(a.attname::text ORDER BY a.attnum) AS names
    FROM our_table t
    JOIN pg_catalog.pg_attribute a
      ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
    WHERE 'pg_catalog.tsvector'::regtype IN (y.oid, y.typbasetype)
    GROUP BY t.oid
)
SELECT t.schema, t.name, g.tgname::text, p.proname::text,
       p.pronamespace = 'pg_catalog'::regnamespace, g.tgargs, p.prosrc, s.names,
       (SELECT json_object_agg(a.attname, a.attnum) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped)
FROM our_table t
JOIN search_column s ON s.oid = t.oid
JOIN pg_catalog.pg_trigger g
  ON g.tgrelid = t.oid AND NOT g.tgisinternal AND g.tgparentid = 0 AND g.tgenabled <> 'D'
JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid
WHERE p.proname = 'tsvector_update_trigger' OR p.prosrc ~* 'to_tsvector'
ORDER BY 1, 2, 3
