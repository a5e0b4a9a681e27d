-- GIN indexes that may put off more than so many kilobytes of work until the next vacuum.
SELECT t.schema, t.name, i.relname::text, x.indexrelid::bigint,
       coalesce(pending.kilobytes, g.setting::bigint),
       EXISTS (SELECT 1 FROM pg_catalog.pg_locks l
               WHERE l.locktype = 'relation' AND l.relation IN (t.oid, x.indexrelid)
                 AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid())
FROM our_table t
JOIN pg_catalog.pg_index x ON x.indrelid = t.oid AND x.indisvalid
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid AND i.relkind = 'i'
JOIN pg_catalog.pg_am m ON m.oid = i.relam AND m.amname = 'gin'
JOIN pg_catalog.pg_settings g ON g.name = 'gin_pending_list_limit'
CROSS JOIN LATERAL (
    SELECT max(split_part(o, '=', 2)) FILTER (WHERE o LIKE 'gin_pending_list_limit=%%')::bigint,
           coalesce(bool_and(split_part(o, '=', 2)::boolean)
                    FILTER (WHERE o LIKE 'fastupdate=%%'), true)
    FROM unnest(i.reloptions) AS o
) AS pending (kilobytes, is_put_off)
WHERE pending.is_put_off AND coalesce(pending.kilobytes, g.setting::bigint) > %s
ORDER BY 1, 2, 3
