"""Facts about row security: which tables have policies, and who passes by them."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True)
class SecuredTable:
    """A table with policies, or with row security on."""

    name: str
    owner: str
    on: bool
    forced: bool
    policies: int


def secured_tables(cursor: CursorWrapper) -> list[SecuredTable]:
    """The tables of this database that row security is about, by name."""
    cursor.execute(
        """
        SELECT n.nspname || '.' || c.relname, r.rolname, c.relrowsecurity, c.relforcerowsecurity,
               (SELECT count(*) FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid)
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
        WHERE c.relkind IN ('r', 'p')
          AND (c.relrowsecurity
               OR EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid))
        ORDER BY 1
        """
    )
    return [SecuredTable(*row) for row in cursor.fetchall()]


def acts_as(cursor: CursorWrapper, role: str, owner: str) -> bool:
    """Whether the role has the owner's rights without SET ROLE; false where either is missing."""
    cursor.execute(
        """
        SELECT pg_catalog.pg_has_role(r.oid, o.oid, 'USAGE')
        FROM pg_catalog.pg_roles r, pg_catalog.pg_roles o WHERE r.rolname = %s AND o.rolname = %s
        """,
        [role, owner],
    )
    row = cursor.fetchone()
    return bool(row and row[0])


@dataclass(frozen=True)
class PassingView:
    """A view that reads a table with row security on as its owner, whom the policies spare."""

    view: str
    owner: str
    table: str


def passing_views(cursor: CursorWrapper, role: str) -> list[PassingView]:
    """Such views that the role may read although policies hold for it on the table, by name.

    A view reads as its owner unless it has `security_invoker` (PostgreSQL 15).
    """
    cursor.execute(
        """
        WITH views AS (
            SELECT v.oid, n.nspname || '.' || v.relname AS name, o.oid AS owner, o.rolname,
                   o.rolsuper OR o.rolbypassrls AS spared
            FROM pg_catalog.pg_class v
            JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
            JOIN pg_catalog.pg_roles o ON o.oid = v.relowner
            WHERE v.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
              AND NOT coalesce(v.reloptions, '{}') && ARRAY['security_invoker=true',
                                                            'security_invoker=on',
                                                            'security_invoker=1',
                                                            'security_invoker=yes']
        )
        SELECT DISTINCT views.name, views.rolname, tn.nspname || '.' || t.relname
        FROM views
        JOIN pg_catalog.pg_rewrite w ON w.ev_class = views.oid
        JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass
             AND d.objid = w.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
        JOIN pg_catalog.pg_class t ON t.oid = d.refobjid AND t.relkind IN ('r', 'p')
        JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
        JOIN pg_catalog.pg_roles r ON r.rolname = %s
        WHERE t.relrowsecurity AND NOT r.rolsuper AND NOT r.rolbypassrls
          AND (views.spared
               OR NOT t.relforcerowsecurity
                  AND pg_catalog.pg_has_role(views.owner, t.relowner, 'USAGE'))
          AND NOT (NOT t.relforcerowsecurity AND pg_catalog.pg_has_role(r.oid, t.relowner, 'USAGE'))
          AND pg_catalog.has_any_column_privilege(r.oid, views.oid, 'SELECT')
        ORDER BY 1, 3
        """,
        [role],
    )
    return [PassingView(*row) for row in cursor.fetchall()]
