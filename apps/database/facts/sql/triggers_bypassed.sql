-- For whom triggers and foreign keys do not count at all: as a setting of roles or of the server.
SELECT coalesce(r.rolname::text, 'every role'), d.datname::text
FROM pg_catalog.pg_db_role_setting s
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
WHERE 'session_replication_role=replica' = ANY (s.setconfig)
  AND (s.setdatabase = 0 OR d.datname = pg_catalog.current_database())
UNION ALL
SELECT 'the server', NULL
FROM pg_catalog.pg_settings g
WHERE g.name = 'session_replication_role' AND g.reset_val = 'replica'
  AND g.source IN ('configuration file', 'command line', 'environment variable')
ORDER BY 1, 2
