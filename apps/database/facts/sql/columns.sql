SELECT c.nspname, c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
       a.attnotnull,
       CASE WHEN NOT c.locked THEN pg_catalog.pg_get_expr(x.adbin, x.adrelid) END,
       x.oid IS NOT NULL, a.attgenerated::text, a.attidentity::text, l.collname, d.description
FROM chosen c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef x ON x.adrelid = c.oid AND x.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation l
  ON l.oid = a.attcollation AND a.attcollation <> t.typcollation
LEFT JOIN pg_catalog.pg_description d
  ON d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = a.attnum
ORDER BY 1, 2, a.attnum
