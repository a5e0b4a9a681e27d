-- The tables of this database, system's too, whose oldest numbers are the oldest.
SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relfrozenxid <> '0'::xid
ORDER BY greatest(pg_catalog.age(c.relfrozenxid)::float8 / 2,
                  pg_catalog.mxid_age(c.relminmxid)) DESC, 1
LIMIT 3
