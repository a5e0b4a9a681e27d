"""The pending plan, for controls: what it is, and what its last rehearsal has seen."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from django.db.migrations import Migration
from django.db.migrations.state import ProjectState
from django.utils import timezone

from apps.controls.control import CannotSee
from apps.controls.inspection import Inspection
from apps.schema.pending import applied_migrations, pending_migrations
from apps.schema.progress import label
from apps.schema.records import NO_GRAPH, Key, graph_sentence
from apps.schema.rehearsed import TABLE, Evidence, may_read, newest_of_all
from config.commands import manage

# Rows that came since may be those that a migration throws away.
LONGEST_AGE = timedelta(days=1)
REHEARSE = manage("rehearse_migrations")

Found = TypeVar("Found")


@dataclass(frozen=True)
class Plan:
    """What is pending, in order, each with the state of the models before it."""

    applied: set[Key]
    steps: list[tuple[Migration, ProjectState]]

    @property
    def names(self) -> list[str]:
        return [label(migration) for migration, _ in self.steps]

    @property
    def migrations(self) -> list[Migration]:
        return [migration for migration, _ in self.steps]


def readable(read: Callable[[], Found]) -> Found:
    """What is read of the migration files. Raises CannotSee when they make no graph."""
    try:
        return read()
    except NO_GRAPH as error:
        raise CannotSee(graph_sentence(error)) from None


def pending_plan(inspection: Inspection) -> Plan:
    """The pending plan, which the evidence names too. Raises CannotSee when it cannot be read."""
    applied = applied_migrations(inspection.cursor)
    plan = Plan(applied, readable(lambda: pending_migrations(applied)))
    inspection.evidence["pending"] = plan.names
    return plan


def rehearsals_exist(inspection: Inspection) -> bool:
    """Whether rehearsals have a table.

    Raises CannotSee where it is hidden: what would be judged without it may be milder.
    """
    answer = may_read(inspection.cursor)
    if answer is False:
        role = inspection.target.entries["auditor"]["USER"]
        raise CannotSee(
            "The recorded rehearsals are hidden.", f'GRANT SELECT ON public.{TABLE} TO "{role}";'
        )
    return answer is not None


def last_rehearsal(inspection: Inspection, plan: Plan) -> Evidence | None:
    """The newest rehearsal of the whole plan as its files are now; None without one.

    Raises CannotSee where rehearsals are hidden.
    """
    if not plan.steps or not rehearsals_exist(inspection):
        return None
    return newest_of_all(inspection.cursor, plan.migrations)


def is_fresh(rehearsal: Evidence) -> bool:
    return timezone.now() - rehearsal.copied_at <= LONGEST_AGE


@dataclass
class Judgement:
    """Judges each pending migration by its fresh rehearsal; by its text where there is none.

    What neither shows is gathered in `unseen`; which of the two it was stands in the evidence.
    """

    inspection: Inspection
    plan: Plan

    def __post_init__(self) -> None:
        last = last_rehearsal(self.inspection, self.plan)
        self.rehearsal = last if last is not None and is_fresh(last) else None
        self.unseen: list[str] = []
        self._by: dict[str, str] = {}
        self.inspection.evidence["judged_by"] = self._by

    def of(
        self,
        migration: Migration,
        seen: Callable[[Mapping[str, Any]], Iterable[str]],
        read: Callable[[], Iterable[str]],
        unclear: Callable[[Migration], Iterable[str]],
    ) -> Iterator[str]:
        """What is wrong with a migration: `seen` in its report, or else `read` in its text."""
        name = label(migration)
        said = self.rehearsal.of(name) if self.rehearsal else None
        if said is not None:
            self._by[name] = str(self.rehearsal)
            yield from (f"{what} ({self.rehearsal})" for what in seen(said))
            return
        self._by[name] = "its text, which was not rehearsed lately"
        found = list(read())
        yield from found
        if not found:
            self.unseen += [f"{name}: {what}" for what in unclear(migration)]

    def require_sight(self) -> None:
        """Raises CannotSee where neither a rehearsal nor the text tells; to be asked last."""
        if self.unseen:
            hours = f"{LONGEST_AGE.total_seconds() / 3600:.0f}"
            raise CannotSee(
                f"No text tells what {self.unseen[0]} does, and this plan was not rehearsed on a "
                f"copy of the last {hours} hours. Rehearse it:",
                REHEARSE,
            )
