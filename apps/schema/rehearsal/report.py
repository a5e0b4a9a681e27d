"""A rehearsal for people and for programs."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from apps.schema.rehearsal.data import TableChange
from apps.schema.rehearsal.observe import MODES
from apps.schema.rehearsal.rehearse import Rehearsal, Rehearsed
from apps.schema.rehearsal.verdict import Level

MARKS = {Level.SAFE: "✓", Level.CAUTION: "!", Level.UNSAFE: "✗"}
# Weaker locks hold nobody up.
WORTH_NAMING = MODES[2:]


def as_dictionary(rehearsal: Rehearsal) -> dict[str, Any]:
    """The rehearsal as the machine format has it."""
    return {
        "source": rehearsal.source,
        "backup": rehearsal.backup,
        "copied_at": rehearsal.copied_at.isoformat(),
        "server": rehearsal.server,
        "started_at": rehearsal.started_at.isoformat(),
        "duration_seconds": rehearsal.seconds,
        "safe": rehearsal.safe,
        "migrations": [migration_as_dictionary(one) for one in rehearsal.migrations],
        "not_reached": [f"{app}.{name}" for app, name in rehearsal.not_reached],
    }


def as_json(rehearsal: Rehearsal) -> str:
    return json.dumps(as_dictionary(rehearsal), indent=2, ensure_ascii=False)


def locks_of(one: Rehearsed) -> list[dict[str, Any]]:
    """The strongest lock on each table that existed before, with the table's real size."""
    facts = one.facts
    found = [
        {
            "table": facts.names[oid],
            "mode": mode,
            "rows": facts.sizes[oid].rows,
            "bytes": facts.sizes[oid].bytes,
            "seconds": round(seconds, 4),
        }
        for oid, (mode, seconds) in facts.up.strongest().items()
        if mode in WORTH_NAMING
    ]
    return sorted(found, key=lambda lock: str(lock["table"]))


def _rows_of(changes: Iterable[TableChange]) -> dict[str, dict[str, int]]:
    """By table, how many rows were lost, changed, filled where there was NULL, and added."""
    changes = list(changes)
    return {
        "rows_lost": {change.table: change.lost for change in changes if change.lost},
        "rows_changed": {change.table: change.changed for change in changes if change.changed},
        "rows_filled": {change.table: change.filled for change in changes if change.filled},
        "rows_added": {change.table: change.added for change in changes if change.added},
    }


def migration_as_dictionary(one: Rehearsed) -> dict[str, Any]:
    facts = one.facts
    reverse, crash = facts.reverse, facts.crash
    return {
        "app": one.app,
        "name": one.name,
        "verdict": str(one.verdict),
        "hazards": [hazard.name for hazard in one.hazards],
        "details": {hazard.name: hazard.detail for hazard in one.hazards},
        "reversible": str(reverse.way) if reverse else None,
        "locks": locks_of(one),
        "rewrites": sorted(facts.names[oid] for oid in facts.up.rewritten),
        **_rows_of(facts.changes),
        "values_lost": {
            f"{change.table}.{column}": number
            for change in facts.changes
            for column, number in change.emptied.items()
        },
        "checksums": {
            change.table: {"before": change.checksum_before, "after": change.checksum_after}
            for change in facts.changes
        },
        "old_code": [
            {"model": found.model, "operation": found.operation, "error": found.error}
            for found in facts.old_code
        ],
        "crash": {
            "killed": crash.killed,
            "left": list(crash.left),
            "rerun_error": crash.rerun_error,
        }
        if crash
        else None,
        "error": facts.error,
        "duration_seconds": one.seconds,
        "duration_seconds_scaled": one.scaled_seconds,
        "remedy": one.remedy,
    }


def table(rehearsal: Rehearsal) -> str:
    """The rehearsal for a terminal."""
    return "\n".join(_lines(rehearsal))


def _lines(rehearsal: Rehearsal) -> Iterator[str]:
    yield _heading(rehearsal)
    for one in rehearsal.migrations:
        yield ""
        took = f"{one.seconds:.3f} s"
        if one.scaled_seconds is not None:
            took += f", about {one.scaled_seconds:.1f} s at the real size"
        way = f", {one.facts.reverse.way}" if one.facts.reverse else ""
        yield f"{MARKS[one.verdict]} {one.app}.{one.name}: {one.verdict}{way} ({took})"
        for lock in locks_of(one):
            yield (
                f"    {lock['mode']} on {lock['table']} ({lock['rows']} rows, "
                f"{lock['bytes'] / 1048576:.1f} MB) for {lock['seconds']:.3f} s"
            )
        for change in one.facts.changes:
            yield (
                f"    {change.table}: {change.rows_before} → {change.rows_after} rows; "
                f"{change.lost} lost, {change.added} added, {change.changed} changed, "
                f"{change.filled} filled"
            )
        for hazard in one.hazards:
            yield f"    {hazard.name}: {hazard.detail}"
        for found in one.facts.old_code[1:]:
            yield f"    old code, {found.model} {found.operation}: {found.error}"
        if one.facts.crash and one.facts.crash.left:
            yield f"    a crash leaves: {'; '.join(one.facts.crash.left)}"
        for line in one.remedy.splitlines():
            yield f"      {line}"
    for app, name in rehearsal.not_reached:
        yield f"\n? {app}.{name}: not reached"
    yield ""
    yield _totals(rehearsal)


def _heading(rehearsal: Rehearsal) -> str:
    of = f"backup {rehearsal.backup}" if rehearsal.backup else rehearsal.source
    return (
        f"{len(rehearsal.migrations)} pending migrations on a copy ({of}, of "
        f"{rehearsal.copied_at:%Y-%m-%d %H:%M} UTC; server: {rehearsal.server})"
    )


def _totals(rehearsal: Rehearsal) -> str:
    counts = {level: sum(one.verdict is level for one in rehearsal.migrations) for level in Level}
    said = ", ".join(f"{number} {level}" for level, number in counts.items())
    return f"{said}; {len(rehearsal.not_reached)} not reached; {rehearsal.seconds:.1f} s in all."


def markdown(rehearsal: Rehearsal) -> str:
    """The rehearsal for a pull request."""
    lines = [
        f"### {_heading(rehearsal)}",
        "",
        "| migration | verdict | hazards | reversible | locks | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for one in rehearsal.migrations:
        locks = ", ".join(f"{lock['mode']} {lock['table']}" for lock in locks_of(one))
        names = ", ".join(hazard.name for hazard in one.hazards)
        way = one.facts.reverse.way if one.facts.reverse else ""
        lines.append(
            f"| {one.app}.{one.name} | {one.verdict} | {names} | {way} | {locks} "
            f"| {one.scaled_seconds or one.seconds:.3f} |"
        )
    for one in rehearsal.migrations:
        if one.remedy:
            lines += ["", f"**{one.app}.{one.name}**", "", "```python", one.remedy, "```"]
    return "\n".join([*lines, "", _totals(rehearsal)])
