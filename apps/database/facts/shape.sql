WITH ours AS (
    SELECT n.oid AS namespace, n.nspname AS schema
    FROM pg_catalog.pg_namespace n
    WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
), of_extensions AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'
), relations AS (
    SELECT c.oid, o.schema, c.relname AS relation, c.relkind, c.relrowsecurity
    FROM pg_catalog.pg_class c JOIN ours o ON o.namespace = c.relnamespace
    WHERE c.relpersistence <> 't' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      AND ('pg_catalog.pg_class'::regclass, c.oid) NOT IN (SELECT classid, objid FROM of_extensions)
)
SELECT 'relation', r.schema, r.relation, r.relkind::text, r.relrowsecurity::text
FROM relations r
UNION ALL
SELECT 'column', r.schema, r.relation,
       concat_ws(' ', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
                 a.attnotnull, a.attidentity, a.attgenerated,
                 row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum)),
       coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '')
FROM relations r
JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE r.relkind <> 'S'
UNION ALL
SELECT 'constraint', r.schema, r.relation, concat_ws(' ', c.conname, c.convalidated),
       pg_catalog.pg_get_constraintdef(c.oid)
FROM relations r JOIN pg_catalog.pg_constraint c ON c.conrelid = r.oid
-- PostgreSQL 18 names NOT NULL too, which stands with the column.
WHERE c.contype <> 'n'
UNION ALL
SELECT 'index', r.schema, r.relation, concat_ws(' ', i.relname, x.indisvalid),
       pg_catalog.pg_get_indexdef(x.indexrelid)
FROM relations r
JOIN pg_catalog.pg_index x ON x.indrelid = r.oid
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
UNION ALL
SELECT 'view', r.schema, r.relation, '', pg_catalog.pg_get_viewdef(r.oid)
FROM relations r WHERE r.relkind IN ('v', 'm')
UNION ALL
SELECT 'trigger', r.schema, r.relation, concat_ws(' ', t.tgname, t.tgenabled),
       pg_catalog.pg_get_triggerdef(t.oid)
FROM relations r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid
WHERE NOT t.tgisinternal
UNION ALL
SELECT 'policy', r.schema, r.relation, concat_ws(' ', p.polname, p.polcmd),
       coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '')
       || coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '')
FROM relations r JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid
UNION ALL
SELECT 'function', o.schema, f.proname, pg_catalog.pg_get_function_identity_arguments(f.oid),
       coalesce(f.prosrc, '')
FROM pg_catalog.pg_proc f JOIN ours o ON o.namespace = f.pronamespace
WHERE ('pg_catalog.pg_proc'::regclass, f.oid) NOT IN (SELECT classid, objid FROM of_extensions)
UNION ALL
SELECT 'label', o.schema, t.typname, e.enumlabel::text,
       row_number() OVER (PARTITION BY t.oid ORDER BY e.enumsortorder)::text
FROM pg_catalog.pg_enum e
JOIN pg_catalog.pg_type t ON t.oid = e.enumtypid
JOIN ours o ON o.namespace = t.typnamespace
UNION ALL
SELECT 'extension', '', e.extname::text, '', '' FROM pg_catalog.pg_extension e
