SELECT datname::text, pg_catalog.age(datfrozenxid)::bigint,
       pg_catalog.mxid_age(datminmxid)::bigint, datname = pg_catalog.current_database()
FROM pg_catalog.pg_database
ORDER BY 1
