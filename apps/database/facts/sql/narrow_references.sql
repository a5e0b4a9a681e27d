-- Foreign keys of integers that hold less than what they refer to.
SELECT t.schema, t.name, a.attname::text, pg_catalog.format_type(y.oid, NULL),
       rn.nspname::text, r.relname::text, ra.attname::text, pg_catalog.format_type(ry.oid, NULL)
FROM pg_catalog.pg_constraint o
JOIN our_table t ON t.oid = o.conrelid
JOIN pg_catalog.pg_class r ON r.oid = o.confrelid
JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
CROSS JOIN LATERAL unnest(o.conkey, o.confkey) AS u(number, referred)
JOIN pg_catalog.pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = u.number
JOIN pg_catalog.pg_attribute ra ON ra.attrelid = o.confrelid AND ra.attnum = u.referred
JOIN pg_catalog.pg_type d ON d.oid = a.atttypid
JOIN pg_catalog.pg_type rd ON rd.oid = ra.atttypid
JOIN pg_catalog.pg_type y ON y.oid = coalesce(nullif(d.typbasetype, 0), d.oid)
JOIN pg_catalog.pg_type ry ON ry.oid = coalesce(nullif(rd.typbasetype, 0), rd.oid)
WHERE o.contype = 'f' AND o.conparentid = 0
  AND y.typname IN ('int2', 'int4') AND ry.typname IN ('int4', 'int8')
  AND y.typlen < ry.typlen
ORDER BY 1, 2, 3
