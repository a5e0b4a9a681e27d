"""Facts about how much room is left: in sequences, in the columns they fill, in references."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper

from apps.database.facts.questions import ask


@dataclass(frozen=True)
class SequenceUse:
    """How far a sequence has come, and the column that it fills, if any.

    `last` is None before the first value, and where `visible` is false. `end` is the last value
    that both the sequence and its column can take. A sequence that starts anew is none of these.
    """

    schema: str
    name: str
    table_schema: str | None
    table: str | None
    column: str | None
    type: str | None
    visible: bool
    ascending: bool
    last: int | None
    start: int
    end: int

    @property
    def subject(self) -> str:
        if self.column is None:
            return f"{self.schema}.{self.name}"
        return f"{self.table_schema}.{self.table}.{self.column}"

    @property
    def share(self) -> float:
        """How much of its values is given out, from 0 to 1."""
        if self.last is None:
            return 0.0
        given, whole = abs(self.last - self.start) + 1, abs(self.end - self.start) + 1
        return given / whole


def sequence_uses(cursor: CursorWrapper) -> list[SequenceUse]:
    """Every sequence that is no system's, no extension's and does not start anew, by name."""
    return [SequenceUse(*row) for row in ask(cursor, "sequence_use")]


@dataclass(frozen=True)
class NarrowReference:
    """A foreign key's column of a smaller integer type than the key that it refers to."""

    schema: str
    table: str
    column: str
    type: str
    to_schema: str
    to_table: str
    to_column: str
    to_type: str

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}.{self.column}"


def narrow_references(cursor: CursorWrapper) -> list[NarrowReference]:
    """References that cannot hold every key that they refer to, by name."""
    return [NarrowReference(*row) for row in ask(cursor, "our_table", "narrow_references")]
