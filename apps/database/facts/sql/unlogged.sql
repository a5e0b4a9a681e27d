-- What a crash empties: tables, and sequences that fill a table which a crash leaves as it is.
, unlogged_table AS (
    SELECT t.schema, t.name, false AS is_sequence FROM our_table t
    WHERE t.persistence = 'u' AND t.kind <> 'p'
),
unlogged_sequence AS (
    SELECT n.nspname::text, c.relname::text, true
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_depend d
      ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
     AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
    JOIN our_table t ON t.oid = d.refobjid AND t.persistence <> 'u'
    WHERE c.relkind = 'S' AND c.relpersistence = 'u'
)
SELECT * FROM unlogged_table UNION ALL SELECT * FROM unlogged_sequence ORDER BY 1, 2
