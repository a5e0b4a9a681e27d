-- Tables without a primary key, and the unique index that could become it.
SELECT t.schema, t.name,
       (SELECT i.relname::text
        FROM pg_catalog.pg_index x
        JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
        JOIN pg_catalog.pg_am m ON m.oid = i.relam
        WHERE x.indrelid = t.oid AND t.kind = 'r' AND m.amname = 'btree'
          AND x.indisunique AND x.indimmediate AND x.indisvalid AND x.indisready
          AND x.indpred IS NULL AND x.indexprs IS NULL AND x.indoption::text !~ '[1-9]'
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a
                          WHERE a.attrelid = t.oid AND a.attnum = ANY (x.indkey::int2[])
                            AND NOT a.attnotnull)
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint o
                          WHERE o.conindid = x.indexrelid AND o.conrelid = t.oid)
        ORDER BY x.indnkeyatts, x.indexrelid LIMIT 1)
FROM our_table t
WHERE t.kind IN ('r', 'p') AND NOT t.is_partition
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_index x
                  WHERE x.indrelid = t.oid AND x.indisprimary)
ORDER BY 1, 2
