"""How far a run came: which migrations were applied, which one was under way, and how deep."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.migrations.migration import Migration

from config.commands import manage


def label(migration: Migration) -> str:
    """Such as `shop.0002_price`."""
    return f"{migration.app_label}.{migration.name}"


@dataclass
class Progress:
    """Written down while a plan is carried out."""

    plan: list[tuple[Migration, bool]] = field(default_factory=list)
    current: Migration | None = None
    durations: dict[str, float] = field(default_factory=dict)
    operations_begun: int = 0
    operations_done: int = 0
    _since: float = 0.0
    _counting: set[int] = field(default_factory=set)

    def planned(self, plan: Sequence[tuple[Migration, bool]]) -> None:
        """Take a plan over; operations outside a transaction are counted one by one."""
        if not self.plan:
            self.plan = list(plan)
        for migration, _ in plan:
            # The plan is told once for each application.
            if not migration.atomic and id(migration) not in self._counting:
                self._counting.add(id(migration))
                self._count(migration)

    def _count(self, migration: Migration) -> None:
        for operation in migration.operations:
            for name in ("database_forwards", "database_backwards"):
                setattr(operation, name, self._counted(getattr(operation, name)))

    def _counted(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.operations_begun += 1
            result = act(*args, **kwargs)
            self.operations_done += 1
            return result

        return counted

    def note(self, action: str, migration: Migration | None) -> None:
        """What the executor calls at each step."""
        if action in ("apply_start", "unapply_start"):
            self.current, self._since = migration, time.monotonic()
            self.operations_begun = self.operations_done = 0
        elif action in ("apply_success", "unapply_success") and migration is not None:
            self.durations[label(migration)] = round(time.monotonic() - self._since, 3)
            self.current = None

    @property
    def repeatable(self) -> bool:
        """Whether what failed was rolled back as a whole, so that it can be run again."""
        return self.current is None or self.current.atomic or not self.operations_begun

    def state(self, *, at_fault: bool = True) -> str:
        """What state the database is in after a failure, and what brings it back.

        `at_fault` says that the migration itself is to be mended before it is run again.
        """
        done = list(self.durations)
        left = [label(m) for m, _ in self.plan if label(m) not in self.durations]
        verb = "unapplied" if self.plan and self.plan[0][1] else "applied"
        kept = f"{verb.capitalize()} in this run and kept: {', '.join(done) or 'none'}."
        again = manage("migrate")
        if self.current is None:
            after = "what runs after the migrations failed" if not left else "none was under way"
            return f"{kept} Not {verb}: {', '.join(left) or 'none'}; {after}. Again: {again}"
        name = label(self.current)
        rest = [other for other in left if other != name]
        tail = f"{kept} Not begun: {', '.join(rest) or 'none'}."
        if self.current.atomic or not self.operations_begun:
            return (
                f"{name} was rolled back as a whole; the database is as it was before it. {tail} "
                + (f"Mend {name}, then: {again}" if at_fault else f"Again: {again}")
            )
        return f"{self._half_way(name)} {tail}"

    def _half_way(self, name: str) -> str:
        migration = self.current
        operations = list(migration.operations) if migration is not None else []
        done, total = self.operations_done, len(operations)
        app = name.partition(".")[0]
        failed = operations[done].describe() if done < total else "its end"
        return (
            f"{name} is not atomic and stopped half-way: {done} of its {total} operations took "
            f"effect and stay, number {done + 1} ({failed}) failed and may have left a part, and "
            f"the migration is not recorded. See what stands: {manage('drift')}. Undo those "
            f"operations by hand and run {manage('migrate')} again, or finish them by hand and "
            f"record it: {manage(f'migrate {app} ' + name.partition('.')[2] + ' --fake')}"
        )
