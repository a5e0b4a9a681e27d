-- How far each sequence is on its way to its own end, or to that of the column that it fills.
WITH filled AS MATERIALIZED (
    SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid::int2 AS number
    FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
      AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0
      AND d.objid IN (SELECT s.seqrelid FROM pg_catalog.pg_sequence s)
    UNION
    SELECT d.refobjid, x.adrelid, x.adnum
    FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_attrdef x ON x.oid = d.objid
    WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass
      AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid = 0
),
filled_column AS MATERIALIZED (
    SELECT DISTINCT ON (f.sequence)
           f.sequence, n.nspname::text AS schema, c.relname::text AS name,
           a.attname::text AS attname, pg_catalog.format_type(b.oid, NULL) AS type,
           CASE b.typname WHEN 'int2' THEN 32767::numeric WHEN 'int4' THEN 2147483647
                          WHEN 'int8' THEN 9223372036854775807 END AS largest
    FROM filled f
    JOIN pg_catalog.pg_class c ON c.oid = f.relation
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = f.relation AND a.attnum = f.number
    JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
    JOIN pg_catalog.pg_type b ON b.oid = coalesce(nullif(y.typbasetype, 0), y.oid)
    -- Partitions repeat what stands at their parent.
    ORDER BY f.sequence, 6 NULLS LAST, c.relispartition, 2, 3, 4
),
our_sequence AS MATERIALIZED (
    SELECT s.*, n.nspname::text AS schema, c.relname::text AS name,
           pg_catalog.has_sequence_privilege(s.seqrelid, 'SELECT')
           OR pg_catalog.has_sequence_privilege(s.seqrelid, 'USAGE') AS is_visible
    FROM pg_catalog.pg_sequence s
    JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relpersistence <> 't' AND NOT s.seqcycle
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass
                        AND d.objid = s.seqrelid AND d.deptype = 'e')
)
SELECT s.schema, s.name, f.schema, f.name, f.attname, f.type, s.is_visible, s.seqincrement > 0,
       -- NULL before the first value.
       CASE WHEN s.is_visible THEN pg_catalog.pg_sequence_last_value(s.seqrelid) END,
       CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END,
       CASE WHEN s.seqincrement > 0 THEN least(s.seqmax, f.largest)
            ELSE greatest(s.seqmin, -f.largest - 1) END::bigint
FROM our_sequence s
LEFT JOIN filled_column f ON f.sequence = s.seqrelid
ORDER BY 1, 2
