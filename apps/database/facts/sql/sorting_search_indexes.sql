-- Indexes that keep a tsvector in order, which finds no word in it.
SELECT t.schema, t.name, i.relname::text, a.attname::text, m.amname::text
FROM our_table t
JOIN pg_catalog.pg_index x ON x.indrelid = t.oid
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid AND NOT i.relispartition
JOIN pg_catalog.pg_am m ON m.oid = i.relam
CROSS JOIN LATERAL unnest(x.indkey::int2[], x.indclass::oid[]) AS u(number, class)
JOIN pg_catalog.pg_opclass o ON o.oid = u.class
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = u.number AND u.number > 0
WHERE o.opcintype = 'pg_catalog.tsvector'::regtype AND m.amname IN ('btree', 'hash')
ORDER BY 1, 2, 3
