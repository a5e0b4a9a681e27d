-- Tables of the schemas. Reading an expression opens its table, which waits behind an exclusive
-- lock: `locked` says where not to.
WITH locked AS MATERIALIZED (
    SELECT DISTINCT relation FROM pg_catalog.pg_locks
    WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
      AND pid <> pg_catalog.pg_backend_pid()
      AND database = (SELECT oid FROM pg_catalog.pg_database
                      WHERE datname = pg_catalog.current_database())
),
chosen AS MATERIALIZED (
    SELECT c.oid, n.nspname, c.relname, c.oid IN (SELECT relation FROM locked) AS locked,
           c.relispartition
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p')
)
