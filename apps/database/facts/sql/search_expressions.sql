-- Generated columns and indexes that make a tsvector by an expression, as the catalog stores it.
SELECT t.schema, t.name, a.attname::text AS object, false AS is_index, x.adbin::text
FROM our_table t
JOIN pg_catalog.pg_attribute a
  ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated <> ''
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
JOIN pg_catalog.pg_attrdef x ON x.adrelid = t.oid AND x.adnum = a.attnum
WHERE 'pg_catalog.tsvector'::regtype IN (y.oid, y.typbasetype) AND NOT t.is_partition
UNION ALL
SELECT t.schema, t.name, i.relname::text, true, x.indexprs::text
FROM our_table t
JOIN pg_catalog.pg_index x ON x.indrelid = t.oid AND x.indexprs IS NOT NULL AND x.indisvalid
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid AND NOT i.relispartition
WHERE EXISTS (SELECT 1 FROM unnest(x.indclass::oid[]) AS u(class)
              JOIN pg_catalog.pg_opclass o ON o.oid = u.class
              WHERE o.opcintype = 'pg_catalog.tsvector'::regtype)
ORDER BY 1, 2, 3
