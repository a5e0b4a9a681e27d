"""The runs of `migrate`, written down where they ran."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db import DatabaseError, IntegrityError, connections

from apps.schema.models import MigrationOutcome, MigrationRun
from apps.schema.progress import Progress, label


@dataclass
class History:
    """Writes one run down in the database of an alias; `problem` says why it could not."""

    alias: str
    run: MigrationRun | None = None
    problem: str | None = None
    _saved: bool = False

    def begin(self, run: MigrationRun) -> None:
        """Note the run before its first migration; at its end, where the table is made by it."""
        self.run = run
        self._save()

    def _save(self) -> None:
        if self.run is None or self._saved or not self._has_table():
            return
        try:
            self.run.save(using=self.alias, force_insert=True)
        except DatabaseError as error:
            self.problem = str(error).strip().splitlines()[0]
        else:
            self._saved = True

    def end(
        self, progress: Progress, result: str, error: str = "", state: str = ""
    ) -> MigrationOutcome | None:
        """Note how the run ended; None where there is no table to do it in."""
        self._save()
        if self.run is None or not self._saved:
            return None
        outcome = MigrationOutcome(
            run=self.run,
            result=result,
            durations=progress.durations,
            error=error,
            state=state,
        )
        try:
            outcome.save(using=self.alias, force_insert=True)
        except IntegrityError:
            self.problem = "the next migrate has written down already that it was killed"
            return None
        except DatabaseError as failure:
            self.problem = str(failure).strip().splitlines()[0]
            return None
        return outcome

    def killed_before(self, recorded: Collection[tuple[str, str]]) -> list[str]:
        """A sentence for each earlier run that never ended; each is told once.

        To be asked while it is this process's turn: nobody else is under way.
        """
        if not self._has_table():
            return []
        told = []
        names = {f"{app}.{name}" for app, name in recorded}
        for run in MigrationRun.objects.using(self.alias).unfinished().order_by("started_at"):
            done = [name for name in run.plan if (name in names) is not run.backwards]
            left = [name for name in run.plan if name not in done]
            state = (
                f"The run of {run.started_at:%Y-%m-%d %H:%M:%S} UTC was killed. Of its plan "
                f"{_listed(done)} took effect and {_listed(left)} did not"
                + (f"; {left[0]} may have been under way." if left else ".")
            )
            try:
                MigrationOutcome.objects.using(self.alias).create(
                    run=run, result=MigrationOutcome.Result.KILLED, state=state
                )
            except IntegrityError:
                # Its session was lost and not its process, which has just told the end itself.
                continue
            told.append(state)
        return told

    def _has_table(self) -> bool:
        connection = connections[self.alias]
        with connection.cursor() as cursor:
            tables = connection.introspection.table_names(cursor)
        return {MigrationRun._meta.db_table, MigrationOutcome._meta.db_table} <= set(tables)


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "nothing"


def planned_names(progress: Progress) -> list[str]:
    return [label(migration) for migration, _ in progress.plan]
