SELECT c.oid::bigint, c.cfgname::text FROM pg_catalog.pg_ts_config c ORDER BY 1
