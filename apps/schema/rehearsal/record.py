"""Remembers a rehearsal in the real database: one row, as the owner, when it is over."""

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.migrations.loader import MigrationLoader

from apps.database.connection import acting_as
from apps.schema.rehearsal.faults import one_line
from apps.schema.rehearsal.rehearse import Rehearsal
from apps.schema.rehearsal.report import as_dictionary
from apps.schema.rehearsal_record import Rehearsal as Row
from apps.schema.rehearsed import fingerprints


def record(rehearsal: Rehearsal) -> str | None:
    """Write the row; why it could not be written, or None."""
    reached = [(one.app, one.name) for one in rehearsal.migrations]
    plan = [*reached, *rehearsal.not_reached]
    files = MigrationLoader(None).disk_migrations
    row = Row(
        started_at=rehearsal.started_at,
        source=rehearsal.source,
        backup=rehearsal.backup or "",
        copied_at=rehearsal.copied_at,
        plan=[f"{app}.{name}" for app, name in plan],
        safe=rehearsal.safe,
        duration_seconds=rehearsal.seconds,
        # With the files' fingerprints: a migration that was edited since was not rehearsed.
        report=as_dictionary(rehearsal) | {"files": fingerprints(files[key] for key in plan)},
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
