-- Foreign keys that no index can look up. An index can when the key's columns lead it in whatever
-- order, when it compares them as the key does, and when it holds every row that has a key: all of
-- them, or those where a column of the key is not null, which the look-up implies.
, foreign_key AS MATERIALIZED (
    SELECT o.oid, o.conname::text AS name, o.conrelid, o.conkey, o.conpfeqop,
           cardinality(o.conkey) AS width, t.schema, t.name AS table_name, t.kind
    FROM pg_catalog.pg_constraint o
    JOIN our_table t ON t.oid = o.conrelid
    WHERE o.contype = 'f' AND o.conparentid = 0
),
-- A partitioned table's rows lie in its leaves; an index on each serves as well as one on all.
leaf AS MATERIALIZED (
    WITH RECURSIVE part AS (
        SELECT k.oid AS key_id, k.conrelid AS root, k.conrelid AS id FROM foreign_key k
        UNION ALL
        SELECT p.key_id, p.root, i.inhrelid
        FROM part p
        JOIN pg_catalog.pg_inherits i ON i.inhparent = p.id
        JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
    )
    SELECT p.key_id, p.root, p.id, p.id = p.root AS is_root, c.relkind = 'p' AS is_parted
    FROM part p JOIN pg_catalog.pg_class c ON c.oid = p.id
),
key_column AS MATERIALIZED (
    SELECT l.key_id, l.id, k.width, a.attnum AS number, u.equality, a.attcollation
    FROM leaf l
    JOIN foreign_key k ON k.oid = l.key_id
    CROSS JOIN LATERAL unnest(k.conkey, k.conpfeqop) AS u(number, equality)
    JOIN pg_catalog.pg_attribute o ON o.attrelid = l.root AND o.attnum = u.number
    -- The columns of a partition may be numbered otherwise.
    JOIN pg_catalog.pg_attribute a ON a.attrelid = l.id AND a.attname = o.attname
),
index_column AS MATERIALIZED (
    SELECT x.indexrelid, x.indrelid, u.number, u.place, f.opcfamily, u.collation_id,
           substring(x.indpred::text FROM
               '^\{NULLTEST :arg \{VAR :varno 1 :varattno ([0-9]+) [^{}]*\} :nulltesttype 1 ')
               AS only_not_null, x.indpred IS NOT NULL AS is_partial
    FROM pg_catalog.pg_index x
    JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
    JOIN pg_catalog.pg_am m ON m.oid = i.relam
    CROSS JOIN LATERAL unnest(x.indkey::int2[], x.indclass::oid[], x.indcollation::oid[])
        WITH ORDINALITY AS u(number, class, collation_id, place)
    JOIN pg_catalog.pg_opclass f ON f.oid = u.class
    -- These two read whole ranges, or the whole index, for one row.
    WHERE x.indisvalid AND x.indisready AND m.amname NOT IN ('brin', 'bloom')
      AND x.indrelid IN (SELECT id FROM leaf)
),
looked_up AS MATERIALIZED (
    SELECT c.key_id, c.id
    FROM key_column c
    JOIN index_column i
      ON i.indrelid = c.id AND i.number = c.number AND i.place <= c.width
     AND i.collation_id IN (0, c.attcollation)
     AND (NOT i.is_partial OR i.only_not_null::int IN (
             SELECT o.number FROM key_column o WHERE o.key_id = c.key_id AND o.id = c.id))
    WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_amop a
                  JOIN pg_catalog.pg_operator p ON p.oid = c.equality
                  WHERE a.amopfamily = i.opcfamily AND a.amopopr IN (p.oid, p.oprcom))
    GROUP BY c.key_id, c.id, i.indexrelid, c.width
    HAVING count(DISTINCT c.number) = c.width
)
SELECT k.schema, k.table_name,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS c(number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number
             ORDER BY c.place),
       k.name, k.kind = 'p'
FROM foreign_key k
-- NOT IN is hashed, whatever the planner expects of these; none of them is NULL.
WHERE (k.oid, k.conrelid) NOT IN (SELECT u.key_id, u.id FROM looked_up u)
  AND (k.oid NOT IN (SELECT l.key_id FROM leaf l WHERE NOT l.is_root AND NOT l.is_parted)
       OR k.oid IN (SELECT l.key_id FROM leaf l
                    WHERE NOT l.is_parted
                      AND (l.key_id, l.id) NOT IN (SELECT u.key_id, u.id FROM looked_up u)))
ORDER BY 1, 2, 4
