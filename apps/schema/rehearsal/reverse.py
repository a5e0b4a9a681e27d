"""The way back: down and up again, with structure and rows compared."""

from dataclasses import dataclass
from enum import StrEnum

from django.db.migrations import Migration
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.state import ProjectState

from apps.schema.rehearsal.data import Kept, TableChange, compare_back
from apps.schema.rehearsal.faults import fault_of, one_line
from apps.schema.rehearsal.forward import Stage
from apps.schema.rehearsal.structure import Structure, read_structure


class Way(StrEnum):
    """What the way back gives: all, all but some rows or values, or nothing."""

    REVERSIBLE = "reversible"
    LOSSY = "lossy"
    IRREVERSIBLE = "irreversible"


@dataclass(frozen=True)
class Reverse:
    """What came back; `stuck` when the copy is now neither before nor after the migration."""

    way: Way
    error: str | None = None
    differences: tuple[str, ...] = ()
    changes: tuple[TableChange, ...] = ()
    stuck: bool = False


def down_and_up(
    stage: Stage,
    migration: Migration,
    state: ProjectState,
    before: Structure,
    after: Structure,
    kept: list[Kept],
) -> Reverse:
    """Unapply the migration, compare with what was before it, and apply it once more."""
    try:
        stage.run(migration, state, after, backwards=True)
    except IrreversibleError as error:
        return Reverse(Way.IRREVERSIBLE, one_line(error))
    except Exception as error:  # whatever a migration's own code raises
        stage.connection.close()
        return Reverse(Way.IRREVERSIBLE, fault_of(error), stuck=not migration.atomic)
    with stage.connection.cursor() as cursor:
        back = read_structure(cursor)
    differences = before.different(back)
    changes = compare_back(stage.connection, kept, back)
    way = Way.LOSSY if any(change.loses_values for change in changes) else Way.REVERSIBLE
    try:
        stage.run(migration, state, back)
    except Exception as error:  # whatever a migration's own code raises
        stage.connection.close()
        said = f"up again: {fault_of(error)}"
        return Reverse(way, differences=(*differences, said), changes=tuple(changes), stuck=True)
    with stage.connection.cursor() as cursor:
        again = after.different(read_structure(cursor))
    differences += [f"up again {line}" for line in again]
    return Reverse(way, differences=tuple(differences), changes=tuple(changes))
