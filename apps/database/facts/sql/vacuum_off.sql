-- Tables that autovacuum was told to leave alone, wholly or in what they keep aside (TOAST).
, told AS MATERIALIZED (
    SELECT t.schema, t.name, false AS is_toast, unnest(t.reloptions) AS option FROM our_table t
    UNION ALL
    SELECT t.schema, t.name, true, unnest(c.reloptions)
    FROM our_table t JOIN pg_catalog.pg_class c ON c.oid = t.reltoastrelid
)
SELECT DISTINCT schema, name, is_toast FROM told
WHERE split_part(option, '=', 1) = 'autovacuum_enabled'
  AND NOT split_part(option, '=', 2)::boolean
ORDER BY 1, 2, 3
