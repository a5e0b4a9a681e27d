SELECT c.nspname, c.relname, i.relname, m.amname, keys.list,
       ARRAY(SELECT a.attname::text
             FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS k(number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
             WHERE k.place > x.indnkeyatts ORDER BY k.place),
       CASE WHEN NOT c.locked THEN pg_catalog.pg_get_expr(x.indpred, x.indrelid) END,
       x.indpred IS NOT NULL, x.indisunique,
       -- Older servers have no such column.
       coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::boolean, false),
       x.indisvalid AND x.indisready, coalesce(i.reloptions, '{}'), o.conname
FROM chosen c
JOIN pg_catalog.pg_index x ON x.indrelid = c.oid
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = i.relam
LEFT JOIN pg_catalog.pg_constraint o
  ON o.conindid = i.oid AND o.conrelid = c.oid AND o.contype IN ('p', 'u', 'x')
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_array(
        a.attname,
        CASE WHEN k.number = 0 AND NOT c.locked
             THEN pg_catalog.pg_get_indexdef(x.indexrelid, k.place::int, false) END,
        p.opcname, p.opcdefault, l.collname,
        (option.bits & 1) = 1, (option.bits & 2) = 2) ORDER BY k.place) AS list
    FROM unnest(x.indkey::int2[], x.indclass::oid[], x.indcollation::oid[])
         WITH ORDINALITY AS k(number, opclass, collation_id, place)
    CROSS JOIN LATERAL (SELECT (x.indoption::int2[])[k.place - 1] AS bits) option
    LEFT JOIN pg_catalog.pg_attribute a
      ON a.attrelid = c.oid AND a.attnum = k.number AND k.number > 0
    LEFT JOIN pg_catalog.pg_opclass p ON p.oid = k.opclass
    LEFT JOIN pg_catalog.pg_type t ON t.oid = p.opcintype
    LEFT JOIN pg_catalog.pg_collation l
      ON l.oid = k.collation_id AND k.collation_id <> coalesce(a.attcollation, t.typcollation)
    WHERE k.place <= x.indnkeyatts
) keys
ORDER BY 1, 2, 3
