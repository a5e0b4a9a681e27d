-- tsvector columns that no index searches. A partitioned table's rows lie in its leaves; an index
-- on each serves as well as one on all.
, search_column AS MATERIALIZED (
    SELECT t.oid, t.schema, t.name, t.kind, a.attname
    FROM our_table t
    JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
    WHERE 'pg_catalog.tsvector'::regtype IN (y.oid, y.typbasetype) AND NOT t.is_partition
),
leaf AS MATERIALIZED (
    WITH RECURSIVE part AS (
        SELECT DISTINCT s.oid AS root, s.oid AS id FROM search_column s
        UNION ALL
        SELECT p.root, i.inhrelid
        FROM part p
        JOIN pg_catalog.pg_inherits i ON i.inhparent = p.id
        JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
    )
    SELECT p.root, p.id, c.relkind = 'p' AS is_parted
    FROM part p JOIN pg_catalog.pg_class c ON c.oid = p.id
),
searched AS MATERIALIZED (
    SELECT DISTINCT x.indrelid AS id, a.attname
    FROM pg_catalog.pg_index x
    JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
    JOIN pg_catalog.pg_am m ON m.oid = i.relam AND m.amname IN ('gin', 'gist', 'rum')
    JOIN pg_catalog.pg_attribute a
      ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey::int2[])
    WHERE x.indisvalid AND x.indisready AND x.indrelid IN (SELECT l.id FROM leaf l)
)
SELECT s.schema, s.name, s.attname::text, s.kind = 'p'
FROM search_column s
WHERE NOT EXISTS (SELECT 1 FROM searched f WHERE f.id = s.oid AND f.attname = s.attname)
  AND (s.kind <> 'p'
       OR NOT EXISTS (SELECT 1 FROM leaf l WHERE l.root = s.oid AND NOT l.is_parted)
       OR EXISTS (SELECT 1 FROM leaf l WHERE l.root = s.oid AND NOT l.is_parted
                  AND NOT EXISTS (SELECT 1 FROM searched f
                                  WHERE f.id = l.id AND f.attname = s.attname)))
ORDER BY 1, 2, 3
