SELECT c.nspname, c.relname, d.description, c.relispartition OR e.objid IS NOT NULL, c.locked
FROM chosen c
LEFT JOIN pg_catalog.pg_description d
  ON d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = 0
LEFT JOIN pg_catalog.pg_depend e
  ON e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
ORDER BY 1, 2
