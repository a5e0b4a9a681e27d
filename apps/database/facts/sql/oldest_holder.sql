-- Who keeps old numbers from being given up: vacuum cannot clean behind these.
SELECT holder, transactions FROM (
    SELECT 'the replication slot ' || slot_name,
           greatest(pg_catalog.age(xmin), pg_catalog.age(catalog_xmin))
    FROM pg_catalog.pg_replication_slots
    UNION ALL
    SELECT 'the prepared transaction ' || gid, pg_catalog.age(transaction)
    FROM pg_catalog.pg_prepared_xacts
    UNION ALL
    SELECT 'session ' || pid, pg_catalog.age(coalesce(backend_xmin, backend_xid))
    FROM pg_catalog.pg_stat_activity WHERE pid <> pg_catalog.pg_backend_pid()
    UNION ALL
    SELECT 'the replica ' || application_name, pg_catalog.age(backend_xmin)
    FROM pg_catalog.pg_stat_replication
) AS held (holder, transactions)
WHERE transactions IS NOT NULL
ORDER BY transactions DESC, holder LIMIT 1
