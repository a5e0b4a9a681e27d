-- Constraints that nobody has checked the rows against, of tables and of domains.
, on_table AS (
    SELECT t.schema, t.name, o.conname::text AS constraint_name, o.contype::text AS type,
           coalesce(to_jsonb(o) ->> 'conenforced', 'true')::boolean AS is_enforced,
           false AS is_domain
    FROM pg_catalog.pg_constraint o
    JOIN our_table t ON t.oid = o.conrelid
    -- A partition and a child repeat what stands at their parent.
    WHERE NOT o.convalidated AND o.conparentid = 0 AND (o.conislocal OR o.coninhcount = 0)
),
on_domain AS (
    SELECT n.nspname::text, y.typname::text, o.conname::text, o.contype::text, true, true
    FROM pg_catalog.pg_constraint o
    JOIN pg_catalog.pg_type y ON y.oid = o.contypid
    JOIN pg_catalog.pg_namespace n ON n.oid = y.typnamespace
    WHERE NOT o.convalidated AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_type'::regclass
                        AND d.objid = y.oid AND d.deptype = 'e')
)
SELECT * FROM on_table UNION ALL SELECT * FROM on_domain ORDER BY 1, 2, 3
