-- What each index consists of, as text that two indexes of one table can be compared by. The node
-- trees of expressions are compared as they are stored, because spelling them out takes a lock.
, index_constraint AS MATERIALIZED (
    SELECT o.conindid, max(o.conname::text) FILTER (WHERE o.contype <> 'f') AS name,
           bool_or(o.contype = 'f') AS is_referenced
    FROM pg_catalog.pg_constraint o
    WHERE o.conindid <> 0 AND o.contype IN ('p', 'u', 'x', 'f')
    GROUP BY o.conindid
),
index_shape AS MATERIALIZED (
    SELECT t.schema, t.name AS table_name, i.relname::text AS name, x.indexrelid, x.indrelid,
           m.amname::text AS method, i.relispartition AS is_attached, i.relpages,
           t.reltuples, t.kind, x.indisunique AS is_unique, x.indisprimary AS is_primary,
           x.indisreplident AS is_identity, x.indisclustered AS is_clustered,
           x.indimmediate AS is_immediate, x.indnkeyatts AS width, x.indnatts AS whole_width,
           x.indkey::text AS columns, x.indclass::text AS classes,
           x.indcollation::text AS collations, x.indoption::text AS options,
           coalesce(regexp_replace(x.indexprs::text, ':location -?[0-9]+', '', 'g'), '')
               AS expressions,
           coalesce(regexp_replace(x.indpred::text, ':location -?[0-9]+', '', 'g'), '')
               AS predicate,
           o.name AS constraint_name, coalesce(o.is_referenced, false) AS is_referenced
    FROM our_table t
    JOIN pg_catalog.pg_index x ON x.indrelid = t.oid
    JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
    JOIN pg_catalog.pg_am m ON m.oid = i.relam
    LEFT JOIN index_constraint o ON o.conindid = x.indexrelid
    WHERE x.indisvalid AND x.indisready
)
