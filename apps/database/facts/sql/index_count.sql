SELECT count(*) FROM pg_catalog.pg_index x JOIN our_table t ON t.oid = x.indrelid
