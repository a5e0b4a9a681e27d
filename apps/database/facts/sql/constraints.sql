SELECT c.nspname, c.relname, o.conname, o.contype::text, conkey.names, o.convalidated,
       o.condeferrable, o.condeferred,
       CASE WHEN NOT c.locked THEN pg_catalog.pg_get_expr(o.conbin, o.conrelid) END,
       fn.nspname, ft.relname, confkey.names, o.confdeltype::text, o.confupdtype::text,
       ARRAY(SELECT r.oprname::text FROM unnest(o.conexclop) WITH ORDINALITY AS u(id, place)
             JOIN pg_catalog.pg_operator r ON r.oid = u.id ORDER BY u.place)
FROM chosen c
JOIN pg_catalog.pg_constraint o ON o.conrelid = c.oid
LEFT JOIN pg_catalog.pg_class ft ON ft.oid = o.confrelid
LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = ft.relnamespace
CROSS JOIN LATERAL (
    SELECT ARRAY(SELECT a.attname::text
                 FROM unnest(o.conkey) WITH ORDINALITY AS k(number, place)
                 JOIN pg_catalog.pg_attribute a
                   ON a.attrelid = o.conrelid AND a.attnum = k.number
                 ORDER BY k.place) AS names
) conkey
CROSS JOIN LATERAL (
    SELECT ARRAY(SELECT a.attname::text
                 FROM unnest(o.confkey) WITH ORDINALITY AS k(number, place)
                 JOIN pg_catalog.pg_attribute a
                   ON a.attrelid = o.confrelid AND a.attnum = k.number
                 ORDER BY k.place) AS names
) confkey
WHERE o.contype IN ('p', 'u', 'f', 'c', 'x', 'n')
ORDER BY 1, 2, 3
