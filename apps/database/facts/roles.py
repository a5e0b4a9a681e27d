"""Facts about roles and what they may do."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True)
class RoleAttributes:
    """A role's powers over the whole server."""

    name: str
    superuser: bool
    create_database: bool
    create_role: bool
    bypass_row_security: bool
    replication: bool


def is_member(cursor: CursorWrapper, role: str) -> bool:
    """Whether this session has the role's privileges without SET ROLE."""
    cursor.execute("SELECT pg_catalog.pg_has_role(current_user, %s, 'USAGE')", [role])
    return bool(cursor.fetchone()[0])


def role_attributes(cursor: CursorWrapper, role: str) -> RoleAttributes | None:
    cursor.execute(
        """
        SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication
        FROM pg_catalog.pg_roles WHERE rolname = %s
        """,
        [role],
    )
    row = cursor.fetchone()
    return RoleAttributes(*row) if row else None


def memberships(cursor: CursorWrapper, role: str) -> list[str]:
    """The roles that the role belongs to, directly or through others, by name."""
    cursor.execute(
        """
        WITH RECURSIVE membership AS (
            SELECT m.roleid FROM pg_catalog.pg_auth_members m
            JOIN pg_catalog.pg_roles r ON r.oid = m.member WHERE r.rolname = %s
            UNION
            SELECT m.roleid FROM pg_catalog.pg_auth_members m
            JOIN membership ON membership.roleid = m.member
        )
        SELECT r.rolname FROM membership JOIN pg_catalog.pg_roles r ON r.oid = membership.roleid
        ORDER BY 1
        """,
        [role],
    )
    return [row[0] for row in cursor.fetchall()]


def owned_objects(cursor: CursorWrapper, role: str) -> list[str]:
    """What the role owns in this database: schemas, relations and functions, by name."""
    cursor.execute(
        """
        WITH role AS (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = %s)
        SELECT 'schema ' || n.nspname FROM pg_catalog.pg_namespace n, role
        WHERE n.nspowner = role.oid
        UNION ALL
        SELECT 'relation ' || n.nspname || '.' || c.relname
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace, role
        WHERE c.relowner = role.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT 'function ' || n.nspname || '.' || p.proname
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace, role
        WHERE p.proowner = role.oid
        UNION ALL
        SELECT 'database ' || d.datname FROM pg_catalog.pg_database d, role
        WHERE d.datdba = role.oid
        ORDER BY 1
        """,
        [role],
    )
    return [row[0] for row in cursor.fetchall()]


def places_to_create(cursor: CursorWrapper, role: str) -> list[str]:
    """The schemas in which the role may create, and the database when it may create schemas."""
    cursor.execute(
        """
        SELECT 'schema ' || nspname FROM pg_catalog.pg_namespace
        WHERE nspname !~ '^pg_(toast|temp)' AND pg_catalog.has_schema_privilege(%s, oid, 'CREATE')
        UNION ALL
        SELECT 'database ' || datname FROM pg_catalog.pg_database
        WHERE datname = pg_catalog.current_database()
          AND pg_catalog.has_database_privilege(%s, oid, 'CREATE')
        ORDER BY 1
        """,
        [role, role],
    )
    return [row[0] for row in cursor.fetchall()]


@dataclass(frozen=True)
class TableRights:
    """What one role may do with the rows of one table."""

    table: str
    select: bool
    insert: bool
    update: bool
    delete: bool
    truncate: bool


def table_rights(cursor: CursorWrapper, role: str, tables: list[str]) -> list[TableRights]:
    """The role's rights on those of the tables of schema public that exist, by name."""
    cursor.execute(
        """
        SELECT c.relname,
               pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT'),
               pg_catalog.has_any_column_privilege(r.oid, c.oid, 'INSERT'),
               pg_catalog.has_any_column_privilege(r.oid, c.oid, 'UPDATE'),
               pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE'),
               pg_catalog.has_table_privilege(r.oid, c.oid, 'TRUNCATE')
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        CROSS JOIN pg_catalog.pg_roles r
        WHERE n.nspname = 'public' AND c.relname = ANY(%s) AND r.rolname = %s
        ORDER BY 1
        """,
        [tables, role],
    )
    return [TableRights(*row) for row in cursor.fetchall()]


def grantees(cursor: CursorWrapper, tables: list[str]) -> list[str]:
    """The roles that were given any right to these tables of schema public, but their owners."""
    cursor.execute(
        """
        SELECT DISTINCT r.rolname
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL
        CROSS JOIN LATERAL pg_catalog.aclexplode(coalesce(c.relacl, '{}') || a.attacl) g
        JOIN pg_catalog.pg_roles r ON r.oid = g.grantee AND r.oid <> c.relowner
        WHERE n.nspname = 'public' AND c.relname = ANY(%s) ORDER BY 1
        """,
        [tables],
    )
    return [row[0] for row in cursor.fetchall()]


@dataclass(frozen=True)
class PublicRight:
    """A privilege that every role of the server has, on what."""

    privilege: str
    kind: str
    name: str


def public_rights(cursor: CursorWrapper) -> list[PublicRight]:
    """What PUBLIC may do with this database, its schemas and its rows, by kind and name.

    Without what PostgreSQL gives to everybody on its own catalog, and what extensions give on
    their own objects.
    """
    cursor.execute(
        """
        WITH schemas AS (
            SELECT * FROM pg_catalog.pg_namespace
            WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
        ), relations AS (
            SELECT c.*, n.nspname FROM pg_catalog.pg_class c
            JOIN schemas n ON n.oid = c.relnamespace
            WHERE NOT EXISTS (
                SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                  AND d.deptype = 'e'
            )
        ), granted AS (
            SELECT 'DATABASE' AS kind, datname::text AS name,
                   coalesce(datacl, pg_catalog.acldefault('d', datdba)) AS acl
            FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
            UNION ALL
            SELECT 'SCHEMA', nspname::text, nspacl FROM schemas
            UNION ALL
            SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                   nspname || '.' || relname, relacl FROM relations
            UNION ALL
            SELECT 'TABLE', r.nspname || '.' || r.relname, a.attacl
            FROM relations r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid
        )
        SELECT DISTINCT e.privilege_type, granted.kind, granted.name
        FROM granted, pg_catalog.aclexplode(granted.acl) e
        WHERE e.grantee = 0 ORDER BY 2, 3, 1
        """
    )
    return [PublicRight(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class DefinerFunction:
    """A function that works with its owner's rights, and where it looks names up.

    The path is None when whoever calls it decides.
    """

    signature: str
    owner: str
    search_path: tuple[str, ...] | None


def definer_functions(cursor: CursorWrapper, role: str) -> list[DefinerFunction]:
    """The SECURITY DEFINER functions of others that the role may call, by signature."""
    cursor.execute(
        """
        SELECT n.nspname || '.' || p.proname || '('
                   || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
               o.rolname,
               (SELECT pg_catalog.split_part(setting, '=', 2)
                FROM pg_catalog.unnest(p.proconfig) setting WHERE setting LIKE 'search_path=%%')
        FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        JOIN pg_catalog.pg_roles o ON o.oid = p.proowner
        WHERE p.prosecdef AND o.rolname <> %s
          AND n.nspname NOT IN ('pg_catalog', 'information_schema')
          AND pg_catalog.has_function_privilege(%s, p.oid, 'EXECUTE')
        ORDER BY 1
        """,
        [role, role],
    )
    return [DefinerFunction(row[0], row[1], _path(row[2])) for row in cursor.fetchall()]


def _path(setting: str | None) -> tuple[str, ...] | None:
    if setting is None:
        return None
    names = (name.strip().strip('"') for name in setting.split(","))
    return tuple(name for name in names if name)


def may_make_temporary_tables(cursor: CursorWrapper, role: str) -> bool:
    cursor.execute(
        "SELECT pg_catalog.has_database_privilege(%s, pg_catalog.current_database(), 'TEMP')",
        [role],
    )
    return bool(cursor.fetchone()[0])
