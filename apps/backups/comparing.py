"""Compares what was restored with what the sidecar says."""

from apps.backups.catalogue import Backup
from apps.backups.contents import Contents
from apps.database.facts.tables import TableContent


class NotProven(Exception):
    """The backup is not what it says; the message is one sentence."""


def compare_contents(backup: Backup, restored: Contents) -> None:
    """Raise NotProven at the first difference: rows, then sequences, migrations and the schema."""
    compare(backup.tables, restored.tables)
    _compare_sequences(backup, restored.sequences)
    if backup.migrations != restored.migrations:
        raise NotProven("The applied migrations are not those that the sidecar names.")
    # A newer server writes the same schema down in other words.
    same_major = restored.server_version.partition(".")[0] == str(backup.server_major)
    if same_major and restored.schema_digest != backup.schema_digest:
        raise NotProven(
            "The schema is not what it was: a column, an index, a constraint, a view, a function "
            "or a trigger is missing or changed."
        )


def compare(stated: dict[str, TableContent], restored: dict[str, TableContent]) -> None:
    """Raise NotProven at the first table that is missing, too many, or of other content."""
    for table in sorted(stated.keys() - restored.keys()):
        raise NotProven(f"The table {table} was not restored.")
    for table in sorted(restored.keys() - stated.keys()):
        raise NotProven(f"The table {table} was restored and does not stand in the sidecar.")
    for table, content in stated.items():
        found = restored[table]
        if found.rows != content.rows:
            raise NotProven(f"{table} has {found.rows} rows; the sidecar says {content.rows}.")
        if content.fingerprint is not None and found.fingerprint != content.fingerprint:
            raise NotProven(f"A value in {table} is not what it was, with equal numbers of rows.")


def _compare_sequences(backup: Backup, restored: dict[str, int]) -> None:
    """A sequence may have moved while the dump was made; it stands between both positions."""
    for name, stated in sorted(backup.sequences.items()):
        if name not in restored:
            raise NotProven(f"The sequence {name} was not restored.")
        low, high = sorted((stated.before, stated.after))
        if not low <= restored[name] <= high:
            raise NotProven(
                f"The sequence {name} would give {restored[name]} next; the sidecar says {low}"
                f"{f' to {high}' if high != low else ''}."
            )
