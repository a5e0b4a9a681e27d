"""Facts about rules that the schema states and the server does not hold every row to."""

from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper

from apps.database.facts.questions import ask


@dataclass(frozen=True)
class UnprovenConstraint:
    """A constraint that rows may break; `kind` is pg_constraint's letter.

    `enforced` false says that new rows may break it too. A domain's stands at all its columns.
    """

    schema: str
    owner: str
    name: str
    kind: str
    enforced: bool
    on_domain: bool

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.owner}.{self.name}"


def unproven_constraints(cursor: CursorWrapper) -> list[UnprovenConstraint]:
    """Constraints left NOT VALID or NOT ENFORCED, by name."""
    return [UnprovenConstraint(*row) for row in ask(cursor, "our_table", "unproven_constraints")]


@dataclass(frozen=True)
class DisabledTrigger:
    """A trigger that is switched off; with `of_foreign_key` its name is the foreign key's."""

    schema: str
    table: str
    name: str
    internal: bool
    of_foreign_key: bool

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}.{self.name}"


def disabled_triggers(cursor: CursorWrapper) -> list[DisabledTrigger]:
    """Triggers switched off, by name; those that fire on replicas only are meant so."""
    rows = ask(cursor, "our_table", "disabled_triggers")
    return [DisabledTrigger(*row) for row in rows]


@dataclass(frozen=True)
class Bypass:
    """Whose sessions no trigger and no foreign key stops; `database` None means in all of them."""

    who: str
    database: str | None


def trigger_bypasses(cursor: CursorWrapper) -> list[Bypass]:
    """Settings of roles, databases or the server that make triggers and foreign keys idle."""
    return [Bypass(*row) for row in ask(cursor, "triggers_bypassed")]
