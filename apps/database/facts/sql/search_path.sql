WITH role AS (SELECT oid, rolname FROM pg_catalog.pg_roles WHERE rolname = %s),
setting AS (
    SELECT substr(entry, length('search_path=') + 1) AS path
    FROM role
    JOIN pg_catalog.pg_db_role_setting s ON s.setrole = role.oid
    LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    CROSS JOIN unnest(s.setconfig) AS entry
    WHERE entry LIKE 'search\_path=%%'
      AND (s.setdatabase = 0 OR d.datname = pg_catalog.current_database())
    ORDER BY s.setdatabase DESC LIMIT 1
),
path AS (
    SELECT coalesce((SELECT path FROM setting), pg_catalog.current_setting('search_path')) AS path
),
part AS (
    SELECT place, btrim(name, ' "') AS name
    FROM path, unnest(string_to_array(path.path, ',')) WITH ORDINALITY AS u(name, place)
)
SELECT n.nspname
FROM part
JOIN pg_catalog.pg_namespace n ON n.nspname = CASE part.name
    WHEN '$user' THEN coalesce((SELECT rolname FROM role), current_user) ELSE part.name END
GROUP BY n.nspname ORDER BY min(place)
