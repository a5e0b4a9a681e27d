-- Indexes that another one of the table makes needless: the same, or a beginning of it.
, pair AS MATERIALIZED (
    SELECT a.indexrelid, b.indexrelid AS other_id, b.name AS other_name,
           b.is_unique AS other_is_unique, a.width = b.width AS is_same, b.width
    FROM index_shape a
    JOIN index_shape b
      ON b.indrelid = a.indrelid AND b.indexrelid <> a.indexrelid AND b.method = a.method
     AND b.predicate = a.predicate
     AND starts_with(b.columns || ' ', a.columns || ' ')
     AND starts_with(b.classes || ' ', a.classes || ' ')
     AND starts_with(b.collations || ' ', a.collations || ' ')
     AND starts_with(b.options || ' ', a.options || ' ')
    WHERE NOT a.is_attached
      -- An index that carries its own columns with it serves what a prefix alone does not.
      AND (a.width = a.whole_width OR (a.width = b.width AND a.columns = b.columns))
      -- Expressions stand as 0 among the columns.
      AND (a.expressions = b.expressions
           OR (a.expressions = '' AND ' ' || a.columns || ' ' !~ ' 0 '))
      AND CASE
          WHEN a.width > b.width THEN false
          WHEN a.width < b.width THEN
              a.method = 'btree' AND NOT a.is_unique AND a.constraint_name IS NULL
          WHEN NOT a.is_unique AND b.is_unique THEN true
          WHEN a.is_unique AND NOT b.is_unique THEN false
          WHEN a.columns <> b.columns THEN NOT a.is_unique
          WHEN a.is_unique AND (b.is_immediate < a.is_immediate OR
               (SELECT count(DISTINCT coalesce(to_jsonb(x) ->> 'indnullsnotdistinct', 'false'))
                FROM pg_catalog.pg_index x
                WHERE x.indexrelid IN (a.indexrelid, b.indexrelid)) = 2) THEN false
          -- Of two that are the same, the one that more depends on stays.
          ELSE (a.is_referenced, a.is_primary, a.constraint_name IS NOT NULL, a.is_identity,
                a.is_clustered, -a.indexrelid::bigint)
             < (b.is_referenced, b.is_primary, b.constraint_name IS NOT NULL,
                b.is_identity OR b.is_attached, b.is_clustered, -b.indexrelid::bigint)
      END
),
-- Named is its like; else one that stays, none that a third makes needless too.
covered AS MATERIALIZED (
    SELECT DISTINCT ON (p.indexrelid) p.*
    FROM pair p
    LEFT JOIN (SELECT DISTINCT indexrelid FROM pair) AS gone ON gone.indexrelid = p.other_id
    ORDER BY p.indexrelid, NOT p.is_same, gone.indexrelid IS NOT NULL, NOT p.other_is_unique,
             p.width, p.other_id
)
SELECT a.schema, a.table_name, a.name, a.constraint_name, c.other_name, c.is_same,
       c.other_is_unique, a.kind = 'p',
       EXISTS (SELECT 1 FROM pg_catalog.pg_constraint f
               WHERE f.conrelid = a.indrelid AND f.contype = 'f'
                 AND array_to_string(f.conkey, ' ') = a.columns)
FROM covered c
JOIN index_shape a ON a.indexrelid = c.indexrelid
ORDER BY 1, 2, 3
