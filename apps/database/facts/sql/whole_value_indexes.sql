-- Indexes that can only find a whole document, list or map, not what is in it.
SELECT t.schema, t.name, i.relname::text, a.attname::text, m.amname::text,
       pg_catalog.format_type(a.atttypid, NULL)
FROM our_table t
JOIN pg_catalog.pg_index x ON x.indrelid = t.oid AND x.indisvalid
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid AND NOT i.relispartition
JOIN pg_catalog.pg_am m ON m.oid = i.relam
CROSS JOIN LATERAL unnest(x.indkey::int2[]) WITH ORDINALITY AS u(number, place)
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = u.number
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
JOIN pg_catalog.pg_type b ON b.oid = coalesce(nullif(y.typbasetype, 0), y.oid)
WHERE m.amname IN ('btree', 'hash') AND u.place <= x.indnkeyatts
  -- What must be unique is compared as a whole, and rightly so.
  AND NOT x.indisunique
  AND (b.typname IN ('jsonb', 'hstore') OR (b.typelem <> 0 AND b.typcategory = 'A'))
ORDER BY 1, 2, 3, 4
