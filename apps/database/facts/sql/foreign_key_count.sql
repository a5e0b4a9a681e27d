SELECT count(*) FROM pg_catalog.pg_constraint o
JOIN our_table t ON t.oid = o.conrelid
WHERE o.contype = 'f' AND o.conparentid = 0
