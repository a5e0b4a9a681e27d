-- The text columns of large tables, and whether their middle can be searched by trigrams: as they
-- are, or in capitals, which is what Django's icontains asks for.
, large AS MATERIALIZED (
    SELECT t.oid, t.schema, t.name FROM our_table t
    WHERE greatest(t.reltuples, pg_catalog.pg_stat_get_live_tuples(t.oid)) >= %s
),
key AS MATERIALIZED (
    SELECT x.indrelid, u.number, o.opcname::text AS class,
           CASE WHEN u.number = 0 AND x.indexprs::text ~ (
               ':funcid ' || 'pg_catalog.upper(text)'::regprocedure::oid || ' ')
               THEN x.indexprs::text END AS capitals
    FROM large l
    JOIN pg_catalog.pg_index x
      ON x.indrelid = l.oid AND x.indisvalid AND x.indisready AND x.indpred IS NULL
    CROSS JOIN LATERAL unnest(x.indkey::int2[], x.indclass::oid[]) AS u(number, class)
    JOIN pg_catalog.pg_opclass o ON o.oid = u.class
    WHERE o.opcname IN ('gin_trgm_ops', 'gist_trgm_ops', 'text_pattern_ops',
                        'varchar_pattern_ops')
)
SELECT l.schema, l.name, a.attname::text,
       EXISTS (SELECT 1 FROM key k WHERE k.indrelid = l.oid AND k.number = a.attnum
                                     AND k.class LIKE '%%trgm_ops'),
       EXISTS (SELECT 1 FROM key k WHERE k.indrelid = l.oid
                                     AND k.capitals ~ (':varattno ' || a.attnum || ' '))
FROM large l
JOIN pg_catalog.pg_attribute a ON a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
JOIN pg_catalog.pg_type b ON b.oid = coalesce(nullif(y.typbasetype, 0), y.oid)
WHERE b.typname IN ('text', 'varchar', 'bpchar', 'citext')
ORDER BY 1, 2, 3
