"""The structure of a database at one moment, read from the catalog and comparable with another."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper

# Where rows are kept aside for comparison; no part of the rehearsed schema.
ASIDE = "holdfast_before"


@dataclass(frozen=True)
class Column:
    """A column; its number stays when it is renamed."""

    number: int
    name: str
    type: str


@dataclass(frozen=True)
class Table:
    """A table; its oid stays when it is renamed, and its file node until it is rewritten."""

    oid: int
    name: str
    file_node: int
    bytes: int
    columns: tuple[Column, ...]
    key: tuple[str, ...]


@dataclass(frozen=True)
class Structure:
    """Tables by oid, and for each table's name what belongs to it, as lines of text."""

    tables: Mapping[int, Table]
    lines: Mapping[str, frozenset[str]]

    def named(self, name: str) -> Table | None:
        return next((table for table in self.tables.values() if table.name == name), None)

    def different(self, other: "Structure") -> list[str]:
        """What the other has too little (−) or too much (+), one line each."""
        found = []
        for table in sorted(self.lines.keys() | other.lines.keys()):
            mine = self.lines.get(table, frozenset())
            theirs = other.lines.get(table, frozenset())
            found += [f"− {table}: {line}" for line in sorted(mine - theirs)]
            found += [f"+ {table}: {line}" for line in sorted(theirs - mine)]
        return found


_TABLES = """
SELECT c.oid::bigint, n.nspname || '.' || c.relname,
       coalesce(pg_catalog.pg_relation_filenode(c.oid), 0)::bigint,
       pg_catalog.pg_table_size(c.oid),
       ARRAY(SELECT a.attnum || ' ' || a.attname || E'\\t'
                    || pg_catalog.format_type(a.atttypid, a.atttypmod)
             FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
       ARRAY(SELECT a.attname::text
             FROM pg_catalog.pg_index i, unnest(i.indkey::int2[]) AS k(number)
             JOIN pg_catalog.pg_attribute a ON a.attnum = k.number
             WHERE a.attrelid = c.oid AND i.indrelid = c.oid AND i.indisprimary
             ORDER BY a.attnum)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', %s) AND c.relname <> 'django_migrations'
"""

# Names of keys and indexes are Django's affair: going down and up may change them. Nor does the way
# back make a validated constraint doubtful again.
_LINES = """
WITH relation AS (
    SELECT c.oid, c.relkind, n.nspname || '.' || c.relname AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND n.nspname !~ '^pg_'
      AND n.nspname NOT IN ('information_schema', %s)
)
SELECT r.name, 'exists as ' || r.relkind::text FROM relation r
UNION ALL
SELECT r.name, 'column ' || a.attname || ' '
       || pg_catalog.format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
       || CASE WHEN a.attidentity <> '' THEN ' identity ' || a.attidentity::text ELSE '' END
       || CASE WHEN a.attgenerated <> '' THEN ' generated' ELSE '' END
       || coalesce(' default ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid), '')
FROM relation r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind <> 'S'
UNION ALL
SELECT r.name, 'constraint ' || replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID', '')
FROM relation r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid WHERE k.contype <> 'n'
UNION ALL
SELECT r.name, 'index '
       || regexp_replace(pg_catalog.pg_get_indexdef(i.indexrelid), 'INDEX \\S+ ON', 'INDEX ON')
       || CASE WHEN i.indisvalid THEN '' ELSE ' invalid' END
FROM relation r JOIN pg_catalog.pg_index i ON i.indrelid = r.oid
UNION ALL
SELECT r.name, 'trigger ' || pg_catalog.pg_get_triggerdef(t.oid)
FROM relation r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid WHERE NOT t.tgisinternal
UNION ALL
SELECT r.name, 'view ' || pg_catalog.md5(pg_catalog.pg_get_viewdef(r.oid))
FROM relation r WHERE r.relkind IN ('v', 'm')
"""


def read_structure(cursor: CursorWrapper) -> Structure:
    """The structure as this session's transaction sees it."""
    cursor.execute(_TABLES, [ASIDE])
    tables = {}
    for oid, name, file_node, size, columns, key in cursor.fetchall():
        tables[oid] = Table(oid, name, file_node, size, _columns(columns), tuple(key))
    cursor.execute(_LINES, [ASIDE])
    lines: dict[str, set[str]] = defaultdict(set)
    for name, line in cursor.fetchall():
        lines[name].add(line)
    return Structure(tables, {name: frozenset(found) for name, found in lines.items()})


def _columns(described: list[str]) -> tuple[Column, ...]:
    columns = []
    for text in described:
        named, _, kind = text.partition("\t")
        number, _, name = named.partition(" ")
        columns.append(Column(int(number), name, kind))
    return tuple(columns)
