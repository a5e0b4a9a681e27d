"""The work that runs by itself: which command, how long it may take, and when it falls due."""

from dataclasses import dataclass

from django.conf import settings

from config.variables import SCHEDULED


@dataclass(frozen=True)
class Job:
    """One command of the project that runs by itself; `answers` are exit codes that are no fault.

    Every job is a plain command, for those who use cron or a platform's scheduler instead.
    """

    name: str
    help: str
    arguments: tuple[str, ...]
    timeout_seconds: int
    answers: tuple[int, ...] = (0,)

    @property
    def scheduled(self) -> bool:
        """Whether it may fall due by itself; others run on request only."""
        return any(self.name == name for name, *_ in SCHEDULED)

    @property
    def cron(self) -> str | None:
        """When it falls due, in five fields and UTC; None when it does not by itself."""
        return settings.JOBS.get(self.name)

    @property
    def when(self) -> str:
        """The schedule in words for people."""
        return self.cron or ("off" if self.scheduled else "on request")

    @property
    def command(self) -> str:
        return " ".join(self.arguments)


HOUR = 3600
JOBS = (
    # A verdict that fails is an answer: the assessment itself was made.
    Job("assess", "judge the database", ("assess",), HOUR, answers=(0, 1, 2)),
    Job("backup", "make a backup", ("dbbackup", "--quiet"), 6 * HOUR),
    Job("verify", "restore and compare it", ("verify_backup", "--latest"), 6 * HOUR),
    Job("copy", "copy backups to the second place", ("copy_backups",), 6 * HOUR),
    Job("prune", "delete what is kept no longer", ("prune_backups", "--commit"), HOUR),
    # Unsafe is an answer, too: it stands in the report.
    Job(
        "rehearse",
        "rehearse pending migrations on a copy",
        ("rehearse_migrations",),
        6 * HOUR,
        answers=(0, 1),
    ),
)


def job_named(name: str) -> Job:
    """The job of this name. Raises LookupError, whose text names those that there are."""
    for job in JOBS:
        if job.name == name:
            return job
    raise LookupError(f"There is no job {name!r}; there are {', '.join(j.name for j in JOBS)}.")
