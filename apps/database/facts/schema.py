"""Facts about the live schema: what tables, columns, indexes, constraints and sequences there are.

Everybody may read the catalog. Only an expression's text may have to wait for a table's lock:
where another session holds the table exclusively, the texts are None and the table is `locked`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.backends.utils import CursorWrapper

Name = tuple[str, str]


@dataclass(frozen=True)
class LiveColumn:
    """A column as the catalog has it; `type` is format_type's, with its length.

    `default` holds the default's expression, or a generated column's; `generated` is `s` or `v`,
    `identity` is `a` or `d`, and both are empty for an ordinary column. `collation` is named only
    where it is not the type's own.
    """

    name: str
    type: str
    not_null: bool
    default: str | None
    has_default: bool
    generated: str
    identity: str
    collation: str | None
    comment: str | None


@dataclass(frozen=True)
class LiveTable:
    """A table; `foreign_made` says that an extension owns it or that it is a partition."""

    schema: str
    name: str
    comment: str | None
    foreign_made: bool
    locked: bool
    columns: dict[str, LiveColumn] = field(default_factory=dict)


@dataclass(frozen=True)
class LiveKey:
    """One key of an index: a column or an expression; an empty `opclass` is the type's default."""

    column: str | None
    expression: str | None
    opclass: str
    default_opclass: bool
    collation: str | None
    descending: bool
    nulls_first: bool


@dataclass(frozen=True)
class LiveIndex:
    """An index, and whether it serves; `constraint` names the constraint that it carries."""

    schema: str
    table: str
    name: str
    method: str
    keys: tuple[LiveKey, ...]
    include: tuple[str, ...]
    predicate: str | None
    partial: bool
    unique: bool
    nulls_not_distinct: bool
    valid: bool
    options: tuple[str, ...]
    constraint: str | None

    @property
    def columns(self) -> tuple[str | None, ...]:
        return tuple(key.column for key in self.keys)


@dataclass(frozen=True)
class LiveConstraint:
    """A constraint; `kind` is pg_constraint's letter, `validated` false after NOT VALID."""

    schema: str
    table: str
    name: str
    kind: str
    columns: tuple[str, ...]
    validated: bool
    deferrable: bool
    deferred: bool
    expression: str | None
    to_table: Name | None
    to_columns: tuple[str, ...]
    on_delete: str
    on_update: str
    operators: tuple[str, ...]


def search_path(cursor: CursorWrapper, role: str | None = None) -> list[str]:
    """The schemas where an unqualified name is looked for, in order; those that exist.

    A role's own setting counts before this session's: what the service sees is asked for.
    """
    cursor.execute(_SEARCH_PATH, [role])
    return [row[0] for row in cursor.fetchall()]


_SEARCH_PATH = """
WITH role AS (SELECT oid, rolname FROM pg_catalog.pg_roles WHERE rolname = %s),
setting AS (
    SELECT substr(entry, length('search_path=') + 1) AS path
    FROM role
    JOIN pg_catalog.pg_db_role_setting s ON s.setrole = role.oid
    LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    CROSS JOIN unnest(s.setconfig) AS entry
    WHERE entry LIKE 'search\\_path=%%'
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
"""

# Reading an expression opens its table, which waits behind an exclusive lock.
_LOCKED = """
locked AS MATERIALIZED (
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
"""

_TABLES = f"""
WITH {_LOCKED}
SELECT c.nspname, c.relname, d.description, c.relispartition OR e.objid IS NOT NULL, c.locked
FROM chosen c
LEFT JOIN pg_catalog.pg_description d
  ON d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = 0
LEFT JOIN pg_catalog.pg_depend e
  ON e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e'
ORDER BY 1, 2
"""

_COLUMNS = f"""
WITH {_LOCKED}
SELECT c.nspname, c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
       a.attnotnull,
       CASE WHEN NOT c.locked THEN pg_catalog.pg_get_expr(x.adbin, x.adrelid) END,
       x.oid IS NOT NULL, a.attgenerated::text, a.attidentity::text, l.collname, d.description
FROM chosen c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef x ON x.adrelid = c.oid AND x.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation l
  ON l.oid = a.attcollation AND a.attcollation <> t.typcollation
LEFT JOIN pg_catalog.pg_description d
  ON d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = a.attnum
ORDER BY 1, 2, a.attnum
"""


def tables(cursor: CursorWrapper, schemas: Sequence[str]) -> dict[Name, LiveTable]:
    """The tables of the schemas with their columns, by schema and name."""
    cursor.execute(_TABLES, [list(schemas)])
    found = {(row[0], row[1]): LiveTable(*row) for row in cursor.fetchall()}
    cursor.execute(_COLUMNS, [list(schemas)])
    for schema, table, *row in cursor.fetchall():
        if (schema, table) in found:
            found[schema, table].columns[row[0]] = LiveColumn(*row)
    return found


_INDEXES = f"""
WITH {_LOCKED}
SELECT c.nspname, c.relname, i.relname, m.amname, keys.list,
       ARRAY(SELECT a.attname::text
             FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS k(number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
             WHERE k.place > x.indnkeyatts ORDER BY k.place),
       CASE WHEN NOT c.locked THEN pg_catalog.pg_get_expr(x.indpred, x.indrelid) END,
       x.indpred IS NOT NULL, x.indisunique,
       -- Older servers have no such column.
       coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::boolean, false),
       x.indisvalid AND x.indisready, coalesce(i.reloptions, '{{}}'), o.conname
FROM chosen c
JOIN pg_catalog.pg_index x ON x.indrelid = c.oid
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = i.relam
LEFT JOIN pg_catalog.pg_constraint o
  ON o.conindid = i.oid AND o.conrelid = c.oid AND o.contype IN ('p', 'u', 'x')
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_array(
        a.attname,
        CASE WHEN k.number = 0 AND NOT c.locked
             THEN pg_catalog.pg_get_indexdef(x.indexrelid, k.place::int, false) END,
        p.opcname, p.opcdefault, l.collname,
        (option.bits & 1) = 1, (option.bits & 2) = 2) ORDER BY k.place) AS list
    FROM unnest(x.indkey::int2[], x.indclass::oid[], x.indcollation::oid[])
         WITH ORDINALITY AS k(number, opclass, collation_id, place)
    CROSS JOIN LATERAL (SELECT (x.indoption::int2[])[k.place - 1] AS bits) option
    LEFT JOIN pg_catalog.pg_attribute a
      ON a.attrelid = c.oid AND a.attnum = k.number AND k.number > 0
    LEFT JOIN pg_catalog.pg_opclass p ON p.oid = k.opclass
    LEFT JOIN pg_catalog.pg_type t ON t.oid = p.opcintype
    LEFT JOIN pg_catalog.pg_collation l
      ON l.oid = k.collation_id AND k.collation_id <> coalesce(a.attcollation, t.typcollation)
    WHERE k.place <= x.indnkeyatts
) keys
ORDER BY 1, 2, 3
"""


def indexes(cursor: CursorWrapper, schemas: Sequence[str]) -> list[LiveIndex]:
    """Every index on the tables of the schemas, by table and name."""
    cursor.execute(_INDEXES, [list(schemas)])
    return [_index(row) for row in cursor.fetchall()]


def _index(row: tuple[Any, ...]) -> LiveIndex:
    schema, table, name, method, keys, include, predicate, *rest = row
    partial, unique, nulls_not_distinct, valid, options, constraint = rest
    return LiveIndex(
        schema=schema,
        table=table,
        name=name,
        method=method,
        keys=tuple(LiveKey(*key) for key in keys or ()),
        include=tuple(include),
        predicate=predicate,
        partial=partial,
        unique=unique,
        nulls_not_distinct=nulls_not_distinct,
        valid=valid,
        options=tuple(options),
        constraint=constraint,
    )


_CONSTRAINTS = f"""
WITH {_LOCKED}
SELECT c.nspname, c.relname, o.conname, o.contype::text, conkey.names, o.convalidated,
       o.condeferrable, o.condeferred,
       CASE WHEN NOT c.locked THEN pg_catalog.pg_get_expr(o.conbin, o.conrelid) END,
       fn.nspname, ft.relname, confkey.names, o.confdeltype::text, o.confupdtype::text,
       ARRAY(SELECT r.oprname::text FROM unnest(o.conexclop) WITH ORDINALITY AS u(id, place)
             JOIN pg_catalog.pg_operator r ON r.oid = u.id ORDER BY u.place)
FROM chosen c
JOIN pg_catalog.pg_constraint o ON o.conrelid = c.oid
LEFT JOIN pg_catalog.pg_class ft ON ft.oid = o.confrelid
LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = ft.relnamespace
CROSS JOIN LATERAL (
    SELECT ARRAY(SELECT a.attname::text
                 FROM unnest(o.conkey) WITH ORDINALITY AS k(number, place)
                 JOIN pg_catalog.pg_attribute a
                   ON a.attrelid = o.conrelid AND a.attnum = k.number
                 ORDER BY k.place) AS names
) conkey
CROSS JOIN LATERAL (
    SELECT ARRAY(SELECT a.attname::text
                 FROM unnest(o.confkey) WITH ORDINALITY AS k(number, place)
                 JOIN pg_catalog.pg_attribute a
                   ON a.attrelid = o.confrelid AND a.attnum = k.number
                 ORDER BY k.place) AS names
) confkey
WHERE o.contype IN ('p', 'u', 'f', 'c', 'x', 'n')
ORDER BY 1, 2, 3
"""


def constraints(cursor: CursorWrapper, schemas: Sequence[str]) -> list[LiveConstraint]:
    """Every constraint on the tables of the schemas, by table and name."""
    cursor.execute(_CONSTRAINTS, [list(schemas)])
    return [_constraint(row) for row in cursor.fetchall()]


def _constraint(row: tuple[Any, ...]) -> LiveConstraint:
    schema, table, name, kind, columns, validated, deferrable, deferred, expression, *rest = row
    to_schema, to_table, to_columns, on_delete, on_update, operators = rest
    return LiveConstraint(
        schema=schema,
        table=table,
        name=name,
        kind=kind,
        columns=tuple(columns),
        validated=validated,
        deferrable=deferrable,
        deferred=deferred,
        expression=expression,
        to_table=None if to_table is None else (to_schema, to_table),
        to_columns=tuple(to_columns),
        on_delete=on_delete.strip(),
        on_update=on_update.strip(),
        operators=tuple(operators),
    )


def loose_sequences(cursor: CursorWrapper, schemas: Sequence[str]) -> list[Name]:
    """Sequences that belong to no column and no extension, by schema and name."""
    cursor.execute(
        """
        SELECT n.nspname, c.relname
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'S' AND n.nspname = ANY(%s)
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                            AND d.deptype IN ('a', 'i', 'e'))
        ORDER BY 1, 2
        """,
        [list(schemas)],
    )
    return [(schema, name) for schema, name in cursor.fetchall()]
