-- The configuration of queries that name none, where somebody chose it for a role or a database.
SELECT coalesce(r.rolname::text, 'every role'), split_part(e.entry, '=', 2)
FROM pg_catalog.pg_db_role_setting s
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
CROSS JOIN unnest(s.setconfig) AS e(entry)
WHERE split_part(e.entry, '=', 1) = 'default_text_search_config'
  AND (s.setdatabase = 0 OR d.datname = pg_catalog.current_database())
ORDER BY 1, 2
