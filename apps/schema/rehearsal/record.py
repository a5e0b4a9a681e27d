"""Remembers a rehearsal in the real database: one row, as the owner, when it is over."""

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

from apps.database.connection import acting_as
from apps.schema.rehearsal.faults import one_line
from apps.schema.rehearsal.rehearse import Rehearsal
from apps.schema.rehearsal.report import as_dictionary
from apps.schema.rehearsal_record import Rehearsal as Row


def record(rehearsal: Rehearsal) -> str | None:
    """Write the row; why it could not be written, or None."""
    reached = [f"{one.app}.{one.name}" for one in rehearsal.migrations]
    row = Row(
        started_at=rehearsal.started_at,
        source=rehearsal.source,
        backup=rehearsal.backup or "",
        copied_at=rehearsal.copied_at,
        plan=[*reached, *(f"{app}.{name}" for app, name in rehearsal.not_reached)],
        safe=rehearsal.safe,
        duration_seconds=rehearsal.seconds,
        report=as_dictionary(rehearsal),
    )
    with acting_as("owner"):
        tables = connections[DEFAULT_DB_ALIAS].introspection.table_names()
        if Row._meta.db_table not in tables:
            return "the table of rehearsals is not there yet; the first migrate makes it"
        try:
            row.save(force_insert=True)
        except DatabaseError as error:
            return one_line(error)
    return None
