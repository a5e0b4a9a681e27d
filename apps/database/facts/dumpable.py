"""Facts about what this session's role could not dump: found before a dump, not in its middle."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True)
class Obstacle:
    """Something that pg_dump would refuse, or leave out without a word."""

    subject: str
    reason: str
    remedy: str


def obstacles(cursor: CursorWrapper) -> list[Obstacle]:
    """What hinders a whole dump as the session's role, by subject."""
    cursor.execute("SELECT pg_catalog.quote_ident(current_user)")
    (role,) = cursor.fetchone()
    return [*_relations(cursor, role), *_large_objects(cursor, role)]


def _relations(cursor: CursorWrapper, role: str) -> list[Obstacle]:
    cursor.execute(
        """
        SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
               pg_catalog.has_schema_privilege(n.oid, 'USAGE')
               AND CASE WHEN c.relkind = 'S'
                        THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
                        ELSE pg_catalog.has_table_privilege(c.oid, 'SELECT') END,
               c.relrowsecurity AND pg_catalog.row_security_active(c.oid)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'm', 'S') AND c.relpersistence <> 't'
          AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_class'::regclass
                            AND d.objid = c.oid AND d.deptype = 'e')
        ORDER BY 1
        """
    )
    found = []
    for name, readable, hidden in cursor.fetchall():
        if not readable:
            remedy = f"GRANT SELECT ON {name} TO {role};"
            found.append(Obstacle(name, f"{role} may not read it", remedy))
        elif hidden:
            remedy = f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY; or make {role} its owner"
            found.append(Obstacle(name, f"row security hides rows of it from {role}", remedy))
    return found


def _large_objects(cursor: CursorWrapper, role: str) -> list[Obstacle]:
    """pg_read_all_data does not open them; their owners or a grant of each do."""
    cursor.execute(
        """
        SELECT l.oid FROM pg_catalog.pg_largeobject_metadata l
        WHERE NOT pg_catalog.pg_has_role(l.lomowner, 'USAGE')
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.aclexplode(l.lomacl) a
                          WHERE a.privilege_type = 'SELECT'
                            AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE')))
        ORDER BY 1
        """
    )
    numbers = [number for (number,) in cursor.fetchall()]
    if not numbers:
        return []
    return [
        Obstacle(
            f"large object {numbers[0]}",
            f"{role} may not read it, nor {len(numbers) - 1} others",
            f"GRANT SELECT ON LARGE OBJECT {', '.join(map(str, numbers[:5]))} TO {role};",
        )
    ]
