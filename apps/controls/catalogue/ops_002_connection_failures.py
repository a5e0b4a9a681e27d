"""An outage of the database is short for users: waits end, connecting is retried, 503 says so."""

from collections.abc import Iterator

from django.conf import settings

from apps.controls.control import CannotSee, Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import append, command, edit, original, serve
from apps.database.statistics import published
from config.database import ENGINE

MIDDLEWARE = "apps.database.resilience.OutageMiddleware"
HARMLESS = {"apps.database.request_id.request_id_middleware"}
LONGEST_CONNECT_SECONDS = 10
FAILING_SHARE = 0.05
FEWEST_REQUESTS = 20
_OPTIONS = 'DATABASES["default"]["OPTIONS"]'
# A socket folder that does not exist: every attempt to connect fails at once.
_NOWHERE = {"DATABASE_URL": "postgresql://app@%2Fnowhere/none", "DATABASE_CONNECT_RETRY": "0"}


@control(
    "OPS-002.2",
    "Waiting for the database ends, and connecting is tried again",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "waits for an answer for ever",
            plant=append("config/settings.py", f'del {_OPTIONS}["answer_timeout"]\n'),
            repair=original("config/settings.py"),
            near_miss=append("config/settings.py", f'{_OPTIONS}["answer_timeout"] = 30\n'),
            subject="answer_timeout",
            peer=True,
        ),
        Specimen(
            "connects once and gives up",
            plant=append("config/settings.py", f'{_OPTIONS}["connect_retry"] = 0\n'),
            repair=original("config/settings.py"),
            near_miss=append("config/settings.py", f'{_OPTIONS}["connect_retry"] = 2\n'),
            subject="connect_retry",
            peer=True,
        ),
        Specimen(
            "an outage becomes a server error",
            plant=edit("config/settings.py", rf'    "{MIDDLEWARE}",\n', ""),
            repair=original("config/settings.py"),
            near_miss=append("config/settings.py", "MIDDLEWARE = [*MIDDLEWARE]\n"),
            subject="MIDDLEWARE",
            peer=True,
        ),
    ),
)
def outages_are_survived(inspection: Inspection) -> Iterator[Finding]:
    entry = inspection.target.entries["app"]
    options = entry["OPTIONS"]
    seen = {name: options.get(name) for name in ("connect_timeout", "answer_timeout")}
    seen["connect_retry"] = options.get("connect_retry")
    inspection.evidence.update(engine=entry["ENGINE"], **seen)
    wrong = {
        "ENGINE": entry["ENGINE"] != ENGINE,
        "connect_timeout": not 0 < float(seen["connect_timeout"] or 0) <= LONGEST_CONNECT_SECONDS,
        "answer_timeout": not seen["answer_timeout"],
        "connect_retry": not seen["connect_retry"],
        # Outside of it stands only what asks no database.
        "MIDDLEWARE": [m for m in settings.MIDDLEWARE if m not in HARMLESS][:1] != [MIDDLEWARE],
    }
    for subject in (subject for subject, is_wrong in wrong.items() if is_wrong):
        yield Finding(
            Level.ERROR,
            "An outage of the database would reach users",
            subject,
            f"{subject} is not what bounds and softens an outage.",
            "Leave what config/database.py and config/settings.py set.",
        )


@control(
    "OPS-002.3",
    "Connecting seldom fails",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a server that is not there",
            plant=serve(FEWEST_REQUESTS, 0, **_NOWHERE),
            repair=command("assess", "--control", "OPS-002.3"),
            near_miss=serve(FEWEST_REQUESTS, 0),
            subject="RUNTIME_DIR",
            peer=True,
        ),
    ),
)
def connecting_works(inspection: Inspection) -> Iterator[Finding]:
    processes = published()
    if not processes:
        raise CannotSee(
            f"No web process published its statistics in {settings.RUNTIME_DIR} in the last day.",
            "Run assess on the machine that serves, or set RUNTIME_DIR to a folder they share.",
        )
    counts = {
        f"{p.process}@{p.started_at:.3f}": {"attempts": p.requests, "failures": p.failures}
        for p in processes
    }
    before = inspection.previous("OPS-002.3").get("processes", {})
    inspection.evidence["processes"] = counts
    attempts = sum(c["attempts"] - before.get(p, {}).get("attempts", 0) for p, c in counts.items())
    failures = sum(c["failures"] - before.get(p, {}).get("failures", 0) for p, c in counts.items())
    if attempts >= FEWEST_REQUESTS and failures > attempts * FAILING_SHARE:
        yield Finding(
            Level.ERROR,
            "Connecting to the database fails often",
            f"RUNTIME_DIR {settings.RUNTIME_DIR}",
            f"{failures} of {attempts} attempts failed since the last assessment; expected at most "
            f"{FAILING_SHARE:.0%}.",
            "Read the log of the web processes, and docs/troubleshooting.md.",
        )
