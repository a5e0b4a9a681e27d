"""From what was seen to a verdict: hazards with their level, what shows them, and the safe way."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from django.db.migrations import Migration
from django.db.migrations.state import ProjectState

from apps.schema.declared import one_way_reason
from apps.schema.rehearsal import remedies
from apps.schema.rehearsal.crash import Crash
from apps.schema.rehearsal.data import TableChange
from apps.schema.rehearsal.live import Size
from apps.schema.rehearsal.observe import BLOCKS_READS, Observation
from apps.schema.rehearsal.old_code import OldCode
from apps.schema.rehearsal.reverse import Reverse, Way

# Below this a table is read or rewritten before anybody notices the lock.
LARGE_ROWS = 10_000
MANY_ROWS = 1_000


class Level(StrEnum):
    """A migration's verdict: that of its worst hazard."""

    SAFE = "safe"
    CAUTION = "caution"
    UNSAFE = "unsafe"


LEVELS = {
    "fails": Level.UNSAFE,
    "rewrites_table": Level.UNSAFE,
    "scans_under_exclusive_lock": Level.UNSAFE,
    "blocks_writes": Level.UNSAFE,
    "changes_rows_under_lock": Level.UNSAFE,
    "changes_many_rows_at_once": Level.CAUTION,
    "loses_rows": Level.UNSAFE,
    "drops_filled_column": Level.UNSAFE,
    "lossy_reverse": Level.CAUTION,
    "irreversible": Level.UNSAFE,
    "declared_irreversible": Level.CAUTION,
    "reverse_differs": Level.UNSAFE,
    "breaks_old_code": Level.UNSAFE,
    "crash_leaves_half": Level.UNSAFE,
}


@dataclass(frozen=True)
class Hazard:
    """One thing that goes wrong, with the fact that shows it."""

    name: str
    detail: str

    @property
    def level(self) -> Level:
        return LEVELS[self.name]


@dataclass(frozen=True)
class Facts:
    """All that one migration's rehearsal saw; `sizes` are the real ones, by oid."""

    sizes: Mapping[int, Size]
    names: Mapping[int, str]
    up: Observation = field(default_factory=Observation)
    changes: tuple[TableChange, ...] = ()
    old_code: tuple[OldCode, ...] = ()
    reverse: Reverse | None = None
    crash: Crash | None = None
    error: str | None = None


def hazards(migration: Migration, facts: Facts) -> list[Hazard]:
    """The hazards, each name once, the worst first."""
    found = [*_failure(facts)]
    if not facts.error:
        found += [
            *_locks(facts),
            *_rows(facts),
            *_reverse(migration, facts),
            *_old_code(facts),
            *_crash(facts),
        ]
    order = list(Level)
    return sorted(found, key=lambda hazard: -order.index(hazard.level))


def verdict(found: Iterable[Hazard]) -> Level:
    order = list(Level)
    return max((hazard.level for hazard in found), key=order.index, default=Level.SAFE)


def _failure(facts: Facts) -> Iterator[Hazard]:
    if facts.error:
        yield Hazard("fails", facts.error)


def _is_large(facts: Facts, oid: int) -> bool:
    return facts.sizes[oid].rows >= LARGE_ROWS


def _locks(facts: Facts) -> Iterator[Hazard]:
    found: dict[str, list[str]] = {}
    for work in facts.up.works:
        if not _is_large(facts, work.table):
            continue
        name = "blocks_writes"
        if work.mode in BLOCKS_READS:
            name = "rewrites_table" if work.rewritten else "scans_under_exclusive_lock"
        table = f"{facts.names[work.table]} ({facts.sizes[work.table].rows} rows, {work.mode})"
        found.setdefault(name, [])
        if table not in found[name]:
            found[name].append(table)
    for name, tables in found.items():
        yield Hazard(name, ", ".join(tables))
    for name, counts, least in (
        ("changes_rows_under_lock", facts.up.under_lock, MANY_ROWS),
        ("changes_many_rows_at_once", facts.up.at_once, LARGE_ROWS),
    ):
        tables = [
            f"{facts.names[oid]} ({rows} rows)"
            for oid, rows in counts.items()
            if rows >= least and _is_large(facts, oid)
        ]
        if tables:
            yield Hazard(name, ", ".join(tables))


def _rows(facts: Facts) -> Iterator[Hazard]:
    lost = [f"{c.table}: {c.lost} of {c.rows_before} rows" for c in facts.changes if c.lost]
    if lost:
        yield Hazard("loses_rows", ", ".join(lost))
    emptied = [
        f"{change.table}.{column}: {values} values"
        for change in facts.changes
        if not change.lost
        for column, values in change.emptied.items()
    ]
    if emptied:
        yield Hazard("drops_filled_column", ", ".join(emptied))


def _reverse(migration: Migration, facts: Facts) -> Iterator[Hazard]:
    reverse = facts.reverse
    if reverse is None:
        return
    if reverse.way is Way.IRREVERSIBLE:
        reason = one_way_reason(migration)
        if reason:
            yield Hazard("declared_irreversible", reason)
        else:
            yield Hazard("irreversible", reverse.error or "There is no way back.")
    elif reverse.differences:
        yield Hazard("reverse_differs", "; ".join(reverse.differences[:4]))
    elif reverse.way is Way.LOSSY:
        lossy = [change for change in reverse.changes if change.loses_values]
        said = [
            f"{c.table}: {c.lost} rows, {c.changed} changed, {sum(c.emptied.values())} values"
            for c in lossy
        ]
        yield Hazard("lossy_reverse", ", ".join(said))


def _old_code(facts: Facts) -> Iterator[Hazard]:
    if facts.old_code:
        first = facts.old_code[0]
        yield Hazard("breaks_old_code", f"{first.model}, {first.operation}: {first.error}")


def _crash(facts: Facts) -> Iterator[Hazard]:
    if facts.crash is not None and facts.crash.leaves_half:
        yield Hazard("crash_leaves_half", facts.crash.rerun_error or "")


def remedy(
    migration: Migration, before: ProjectState, facts: Facts, found: Iterable[Hazard]
) -> str:
    """The safe way for what was found; empty when nothing was."""
    names = {hazard.name for hazard in found}
    parts = []
    schema = set(LEVELS) - {
        *("fails", "irreversible", "declared_irreversible", "reverse_differs"),
        *("crash_leaves_half", "changes_rows_under_lock", "changes_many_rows_at_once"),
    }
    if names & schema:
        works = dict.fromkeys(work.statement for work in facts.up.works)
        parts.append(remedies.for_operations(migration, before) or remedies.for_statements(works))
    if "changes_rows_under_lock" in names:
        parts.append(remedies.SPLIT)
    if "changes_many_rows_at_once" in names:
        parts.append(remedies.BATCHES.format(app=migration.app_label, model="…"))
    if names & {"irreversible", "reverse_differs"}:
        parts.append(remedies.DECLARE)
    if "loses_rows" in names or "lossy_reverse" in names:
        parts.append(
            "# Keep what goes: copy it into a table of its own first, and drop that later."
        )
    if "crash_leaves_half" in names:
        parts.append("# One statement a migration, or atomic = True, so that a re-run can begin.")
    if "fails" in names:
        kept = "half of it is kept" if facts.crash and facts.crash.left else "nothing of it is kept"
        parts.append(f"# Mend the rows or the migration; where it fails, {kept}.")
    return "\n".join(filter(None, parts))
