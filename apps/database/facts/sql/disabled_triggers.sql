-- Triggers that are switched off; those of a foreign key count as one, under the key's name.
SELECT t.schema, t.name, coalesce(o.conname, g.tgname)::text, g.tgisinternal,
       coalesce(bool_or(o.contype = 'f'), false)
FROM pg_catalog.pg_trigger g
JOIN our_table t ON t.oid = g.tgrelid
LEFT JOIN pg_catalog.pg_constraint o ON o.oid = g.tgconstraint AND g.tgisinternal
WHERE g.tgenabled = 'D'
  -- A partition repeats what stands at its parent.
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_trigger p
                  WHERE p.oid = g.tgparentid AND p.tgenabled = 'D')
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3
