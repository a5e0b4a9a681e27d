"""Functions that execute what they were given are told from those that quote it."""

import pytest

from apps.database.dynamic_sql import joined_statements

JOINED = (
    "EXECUTE 'SELECT ' || name;",
    "EXECUTE name;",
    "execute 'SELECT ''' || name || '''';",
    "EXECUTE 'SELECT ' || quote_ident(name) || other;",
    "EXECUTE format('SELECT %s', name);",
    "EXECUTE format('SELECT %I, %s', name, other);",
    "EXECUTE format('SELECT %2$s', quote_ident(name), other);",
    "EXECUTE format(name);",
    "EXECUTE format('SELECT ' || name);",
    "EXECUTE concat('SELECT ', name);",
    "EXECUTE replace('SELECT :a', ':a', name);",
    "EXECUTE 'SELECT ' || lower(name);",
    "EXECUTE ('SELECT ' || name) INTO found USING other;",
    "EXECUTE 'SELECT ' || name::text;",
    "RETURN QUERY EXECUTE 'SELECT ' || name;",
    "FOR row IN EXECUTE 'SELECT ' || name LOOP NULL; END LOOP;",
    "OPEN cursor FOR EXECUTE 'SELECT ' || name;",
    "query := 'SELECT ' || name; EXECUTE query;",
    "query := 'SELECT 1'; query := query || name; EXECUTE query USING other;",
    "DECLARE query text := 'SELECT ' || name; BEGIN EXECUTE query; END",
    "IF name = 'a' THEN EXECUTE name; END IF;",
    "query := 'SELECT 1'; SELECT text INTO query FROM jobs; EXECUTE query;",
    "FOR query IN SELECT text FROM jobs LOOP EXECUTE query; END LOOP;",
    "EXECUTE $q$SELECT $q$ || name;",
    "EXECUTE E'SELECT \\'' || name;",
    "EXECUTE/* quote_ident */'SELECT ' || name -- quote_literal(name)\n;",
)
SAFE = (
    "EXECUTE 'SELECT 1';",
    "EXECUTE 'SELECT $1' USING name;",
    "EXECUTE 'SELECT 1 ' || 'UNION SELECT 2';",
    "EXECUTE 'SELECT ' || quote_ident(name) || ' WHERE a = ' || quote_literal(other);",
    "EXECUTE 'SELECT ' || pg_catalog.quote_nullable(name);",
    "EXECUTE format('SELECT %I WHERE a = %L', name, other);",
    "EXECUTE format('SELECT %1$I, %1$L, 100 %%', name);",
    "EXECUTE format('SELECT %s', quote_ident(name));",
    "EXECUTE format('ANALYZE %s', name::regclass);",
    "EXECUTE format('SELECT %I', name) INTO found USING other;",
    "EXECUTE 'ANALYZE ' || name::regclass;",
    "EXECUTE 'SELECT ' || count::int;",
    "query := format('SELECT %I', name); EXECUTE query;",
    "query := 'SELECT 1'; query := query || ' UNION SELECT 2'; EXECUTE query;",
    "DECLARE query text DEFAULT 'SELECT 1'; BEGIN EXECUTE query; END",
    "-- EXECUTE 'SELECT ' || name;\nSELECT 1;",
    "/* EXECUTE name; */ SELECT 'EXECUTE ' || name;",
    "RAISE NOTICE '%', 'execute ' || name;",
    "SELECT executed FROM jobs WHERE name = name;",
)


@pytest.mark.parametrize("body", JOINED)
def test_a_statement_with_data_in_it_is_found(body: str) -> None:
    assert len(joined_statements(body)) == 1


@pytest.mark.parametrize("body", SAFE)
def test_a_written_or_quoted_statement_is_left_alone(body: str) -> None:
    assert joined_statements(body) == []
