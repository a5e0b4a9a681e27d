"""What the administrator of a restore may do; what is missing is named before anything is made."""

from contextlib import closing

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper

from apps.backups.databases import CannotTell
from apps.backups.swap import carry_over, why_not_ended
from apps.database.connection import open_wrapper
from apps.database.facts.roles import RoleAttributes, is_member, role_attributes
from apps.database.facts.server import session_role
from apps.database.facts.sessions import client_sessions
from apps.database.roles import Roles, Step, role_names
from config.database import DatabaseEntry


def check_rights(cursor: CursorWrapper, roles: Roles) -> None:
    """Raise CannotTell when the cursor's role cannot put a database into the owner's hands."""
    admin = _attributes(cursor)
    missing = missing_roles(cursor, roles)
    if missing and not (admin.superuser or admin.create_role):
        raise CannotTell(
            f"The role {missing[0]} does not exist, and {admin.name} may not create roles; "
            f'expected: ALTER ROLE "{admin.name}" CREATEROLE; or a superuser in DATABASE_ADMIN_URL.'
        )
    owner = roles.owner.name
    if owner not in missing and not is_member(cursor, owner):
        raise CannotTell(
            f"{admin.name} may not give databases to {owner}; expected: "
            f'GRANT "{owner}" TO "{admin.name}";'
        )


def check_sessions(cursor: CursorWrapper, database: str) -> None:
    """Raise CannotTell when the cursor's role may not end the sessions that a swap must end."""
    for session in client_sessions(cursor, database):
        if not session.endable:
            raise CannotTell(why_not_ended(database, session_role(cursor), session))


def check_belongings(admin: DatabaseEntry, source: str, target: str) -> None:
    """Give one database what belongs to another, and take it back: a swap would fail with this.

    Raises CannotTell.
    """
    with closing(open_wrapper(admin)) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            carry_over(cursor, source, target)
        except DatabaseError as error:
            raise CannotTell(str(error).strip().splitlines()[0]) from None
        finally:
            cursor.execute("ROLLBACK")


def needed_steps(cursor: CursorWrapper, steps: list[Step], roles: Roles) -> list[Step]:
    """The steps of a provisioning without those of roles, unless one of the roles is missing.

    A restore leaves roles as it finds them: given the same password again they would have another
    verifier, and PgBouncer, which signs in with a copy of it, would be shut out.
    """
    if missing_roles(cursor, roles):
        return steps
    return [step for step in steps if not step.of_roles]


def missing_roles(cursor: CursorWrapper, roles: Roles) -> list[str]:
    wanted = [credential.name for credential in roles.all()]
    there = role_names(cursor.db, wanted)
    return [name for name in wanted if name not in there]


def _attributes(cursor: CursorWrapper) -> RoleAttributes:
    found = role_attributes(cursor, session_role(cursor))
    if found is None:
        raise CannotTell("The session's own role is gone; start again.")
    return found
