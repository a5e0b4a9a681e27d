"""Rehearses pending migrations on a scratch copy, one after the other."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.models import Model
from django.utils import timezone
from psycopg.sql import SQL, Identifier

from apps.schema.extensions import needs, unmet
from apps.schema.records import (
    NO_GRAPH,
    Key,
    RecordedLoader,
    graph_sentence,
    history_problem,
    known,
)
from apps.schema.rehearsal.copy import Source, make_copy
from apps.schema.rehearsal.crash import Crash, crash_atomic, crash_step_by_step
from apps.schema.rehearsal.data import compare_after, count, keep_aside
from apps.schema.rehearsal.faults import fault_of, one_line
from apps.schema.rehearsal.forward import Stage
from apps.schema.rehearsal.limit import LIMIT_SECONDS
from apps.schema.rehearsal.live import Live, Size
from apps.schema.rehearsal.observe import Observation
from apps.schema.rehearsal.old_code import OldCode, probe
from apps.schema.rehearsal.place import CannotRehearse, Needs, Place, scratch_place, standing_in
from apps.schema.rehearsal.reverse import down_and_up
from apps.schema.rehearsal.sessions import watching
from apps.schema.rehearsal.structure import Structure, read_structure
from apps.schema.rehearsal.verdict import (
    LARGE_ROWS,
    Facts,
    Hazard,
    Level,
    hazards,
    remedy,
    verdict,
)
from config.database import DatabaseEntry

Target = tuple[str, str | None]


@dataclass(frozen=True)
class Rehearsed:
    """One migration's rehearsal."""

    app: str
    name: str
    verdict: Level
    hazards: tuple[Hazard, ...]
    facts: Facts
    seconds: float
    scaled_seconds: float | None
    remedy: str


@dataclass(frozen=True)
class Rehearsal:
    """A whole rehearsal; `copied_at` says of which moment the copy's rows are."""

    source: str
    backup: str | None
    copied_at: datetime
    server: str
    migrations: tuple[Rehearsed, ...]
    not_reached: tuple[tuple[str, str], ...]
    started_at: datetime
    seconds: float

    @property
    def safe(self) -> bool:
        return not self.not_reached and all(
            migration.verdict is not Level.UNSAFE for migration in self.migrations
        )


def rehearse(
    entry: DatabaseEntry,
    live: Live,
    source: Source,
    targets: Iterable[Target] = (),
    progress: Callable[[str], None] = lambda line: None,
    limit_seconds: float = LIMIT_SECONDS,
) -> Rehearsal:
    """Rehearse what is pending for the live database. Raises CannotRehearse.

    One run of one migration may take `limit_seconds`.
    """
    started_at, started = timezone.now(), time.monotonic()
    copied_at = source.backup.started_at if source.backup else started_at
    with scratch_place(entry, _needs(live)) as place:
        progress(f"copying: {source.kind}")
        name = make_copy(place, source, entry, live)
        try:
            with _stage(place, name, limit_seconds) as stage:
                found = list(_rehearse_all(place, name, stage, live, list(targets), progress))
        except DatabaseError as error:
            raise CannotRehearse(f"The scratch copy failed: {fault_of(error)}") from None
    rehearsed = [one for one in found if isinstance(one, Rehearsed)]
    return Rehearsal(
        source=source.kind,
        backup=source.backup.name if source.backup else None,
        copied_at=copied_at,
        server=place.kind,
        migrations=tuple(rehearsed),
        not_reached=tuple(one for one in found if not isinstance(one, Rehearsed)),
        started_at=started_at,
        seconds=round(time.monotonic() - started, 3),
    )


def read_files(recorded: Iterable[Key] = ()) -> RecordedLoader:
    """The migrations' files, with what is recorded.

    Raises CannotRehearse where one is missing or cannot be imported.
    """
    try:
        return RecordedLoader(recorded)
    except NO_GRAPH as error:
        raise CannotRehearse(graph_sentence(error)) from None
    except Exception as error:  # whatever a file does when it is imported
        raise CannotRehearse(
            f"The migrations cannot be read: {type(error).__name__}: {one_line(error)}. Bring the "
            "file back from version control, or mend it."
        ) from None


def _needs(live: Live) -> Needs:
    """What the real server has, and what it could give of that which pending migrations add.

    Raises CannotRehearse where files and records make no plan, as `migrate` would.
    """
    loader = read_files(live.applied)
    problem = history_problem(loader)
    if problem:
        raise CannotRehearse(problem)
    # The loader takes a squashed migration for applied when its parts are.
    files = {k: m for k, m in loader.disk_migrations.items() if k not in loader.applied_migrations}
    added = {need.extension for need in needs(files.values(), connections[DEFAULT_DB_ALIAS])}
    return Needs(live.major, tuple(sorted({*live.extensions, *(added & live.offers.keys())})))


def pending(stage: Stage, live: Live, targets: list[Target]) -> list[Migration]:
    """The migrations that `migrate` would apply. Raises CannotRehearse for what it would refuse."""
    loader = stage.executor.loader
    wanted = [key for target in targets for key in _nodes(loader, target)]
    plan = stage.executor.migration_plan(wanted or loader.graph.leaf_nodes())
    if any(backwards for _, backwards in plan):
        raise CannotRehearse("The target is applied already; a rehearsal goes forward only.")
    migrations = [migration for migration, _ in plan]
    # The scratch server may have what the real one lacks.
    wanted_extensions = needs(migrations, stage.connection)
    lacking = list(unmet(wanted_extensions, dict(live.offers), superuser=live.superuser))
    if lacking:
        raise CannotRehearse(" ".join(lacking))
    return migrations


def _nodes(loader: MigrationLoader, target: Target) -> list[tuple[str, str]]:
    app, name = target
    if app not in loader.migrated_apps:
        raise CannotRehearse(f"There is no application {app!r} with migrations.")
    if name is None:
        return [key for key in loader.graph.leaf_nodes() if key[0] == app]
    try:
        migration = loader.get_migration_by_prefix(app, name)
    except (KeyError, LookupError, ValueError) as error:
        raise CannotRehearse(f"{app} has no one migration {name!r}: {one_line(error)}") from None
    return [(app, migration.name)]


def _rehearse_all(
    place: Place,
    name: str,
    stage: Stage,
    live: Live,
    targets: list[Target],
    progress: Callable[[str], None],
) -> Iterator[Rehearsed | tuple[str, str]]:
    executor = stage.executor
    plan = pending(stage, live, targets)
    executor.recorder.ensure_schema()
    state = executor.loader.project_state(known(executor.loader))
    with stage.connection.cursor() as cursor:
        origins = {oid: t.name for oid, t in read_structure(cursor).tables.items()}
    stuck, counts = False, dict[int, int]()
    for number, migration in enumerate(plan, start=1):
        if stuck:
            yield migration.app_label, migration.name
            continue
        progress(f"{number}/{len(plan)} {migration}")
        act = _Act(place, name, stage, live, origins, counts, migration, state)
        rehearsed, state, stuck = act.play()
        yield rehearsed


@contextmanager
def _stage(place: Place, name: str, limit_seconds: float) -> Iterator[Stage]:
    with standing_in(place.entry(name)) as connection, watching(place.entry(name)) as watch:
        yield Stage(connection, MigrationExecutor(connection), watch, limit_seconds)


@dataclass
class _Act:
    """One migration on the stage."""

    place: Place
    database: str
    stage: Stage
    live: Live
    # Names that tables had before the first migration, and rows they had when first seen, by oid.
    origins: dict[int, str]
    counts: dict[int, int]
    migration: Migration
    state: ProjectState

    def play(self) -> tuple[Rehearsed, ProjectState, bool]:
        """The rehearsal, the state after it, and whether no other migration can follow."""
        before = self._structure()
        sizes = self._sizes(before)
        names = {oid: table.name for oid, table in before.tables.items()}
        facts = Facts(sizes, names)
        crash = self._crash(before)
        if crash.error is not None:
            return self._result(replace(facts, crash=crash, error=crash.error)), self.state, True
        old_models = self._models_of(before, crash)
        faults = {one.key for one in probe(self.stage.connection, old_models)}
        kept = keep_aside(
            self.stage.connection, [before.tables[oid] for oid in sorted(crash.touched)]
        )
        try:
            after_state, up = self.stage.run(self.migration, self.state, before)
        except Exception as error:  # it passed once: what a migration's own code does may vary
            self.stage.connection.close()
            facts = replace(facts, crash=crash, error=fault_of(error))
            return self._result(facts), self.state, True
        after = self._structure()
        changes = compare_after(self.stage.connection, kept, after)
        old_code = self._old_code(old_models, faults)
        reverse = down_and_up(self.stage, self.migration, self.state, before, after, kept)
        self._sweep(before, up)
        facts = Facts(sizes, names, up, tuple(changes), old_code, reverse, crash)
        return self._result(facts), after_state, reverse.stuck

    def _structure(self) -> Structure:
        with self.stage.connection.cursor() as cursor:
            return read_structure(cursor)

    def _crash(self, before: Structure) -> Crash:
        if self.migration.atomic:
            return crash_atomic(self.stage, self.migration, self.state, before)
        # A template may have no sessions; both open again at their next statement.
        self.stage.connection.close()
        self.stage.watch.pause()
        copy = self.place.create(template=self.database)
        with _stage(self.place, copy, self.stage.limit_seconds) as stage:
            crash = crash_step_by_step(stage, self.migration, self.state, before)
        self.place.drop(copy)
        return crash

    def _sweep(self, before: Structure, up: Observation) -> None:
        """Take away the dead rows of four runs, which the real server's vacuum would."""
        with self.stage.connection.cursor() as cursor:
            for oid, rows in up.at_once.items():
                if rows >= LARGE_ROWS and oid in self._structure().tables:
                    name = before.tables[oid].name.split(".", 1)
                    cursor.execute(SQL("VACUUM {}").format(Identifier(*name)))

    def _models_of(self, before: Structure, crash: Crash) -> list[type[Model]]:
        """The old models whose tables the migration restructures.

        Of a table that the plan itself makes there is no old code.
        """
        old = crash.restructured & self.origins.keys()
        tables = {before.tables[oid].name.partition(".")[2] for oid in old}
        found = self.state.apps.get_models(include_auto_created=True)
        return [
            model
            for model in found
            if model._meta.db_table in tables and model._meta.managed and not model._meta.proxy
        ]

    def _old_code(
        self, models: list[type[Model]], faults: set[tuple[str, str, str]]
    ) -> tuple[OldCode, ...]:
        found: dict[tuple[str, str], OldCode] = {}
        for one in probe(self.stage.connection, models):
            if one.key not in faults:
                found.setdefault((one.model, one.operation), one)
        return tuple(found.values())

    def _sizes(self, structure: Structure) -> dict[int, Size]:
        """The real size of each table; the copy's, where that has more rows or is alone.

        The copy's files are no measure: each run of a migration leaves dead rows in them.
        """
        sizes = {}
        with self.stage.connection.cursor() as cursor:
            for oid, table in structure.tables.items():
                if oid not in self.counts:
                    self.counts[oid] = count(cursor, table)
                real = self.live.sizes.get(self.origins.get(oid, ""), Size(0, 0))
                rows = max(real.rows, self.counts[oid])
                sizes[oid] = Size(rows, real.bytes or table.bytes)
        return sizes

    def _result(self, facts: Facts) -> Rehearsed:
        found = hazards(self.migration, facts)
        return Rehearsed(
            app=self.migration.app_label,
            name=self.migration.name,
            verdict=verdict(found),
            hazards=tuple(found),
            facts=facts,
            seconds=round(facts.up.seconds, 3),
            scaled_seconds=self._scaled(facts),
            remedy=remedy(self.migration, self.state, facts, found),
        )

    def _scaled(self, facts: Facts) -> float | None:
        """The duration at the real sizes; None where the copy is as large as the real database."""
        worked = {work.table for work in facts.up.works} | facts.up.touched
        ratios = [
            facts.sizes[oid].rows / max(1, self.counts[oid])
            for oid in worked
            if facts.sizes[oid].rows > self.counts[oid]
        ]
        return round(facts.up.seconds * max(ratios), 3) if ratios else None
