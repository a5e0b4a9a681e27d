SELECT count(*)
FROM our_table t
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
WHERE 'pg_catalog.tsvector'::regtype IN (y.oid, y.typbasetype) AND NOT t.is_partition
