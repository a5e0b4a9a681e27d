"""The way connections are kept fits the interface that serves requests.

Persistent connections belong to a thread; under ASGI a request gets a thread of its own, so each
leaves a connection behind. And a connection that stays inside a transaction is lost to the pool.
"""

from collections.abc import Iterator

from django.conf import settings

from apps.controls.control import CannotSee, Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection, sees_monitoring
from apps.controls.planting import (
    edit,
    end_sessions,
    environment,
    open_session,
    original,
    sequence,
    wait,
)
from apps.database.facts.sessions import idle_transactions

# Between two statements of a request lies work of milliseconds.
IDLE_SECONDS = 5.0
_ASGI = edit("Procfile", r"gunicorn", "gunicorn config.asgi")


@control(
    "TECH-001.1",
    "The pooling mode fits the interface",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "persistent connections under ASGI",
            plant=sequence(_ASGI, environment(DATABASE_POOL="persistent")),
            repair=environment(DATABASE_POOL="native"),
            near_miss=sequence(original("Procfile"), environment(DATABASE_POOL="persistent")),
            subject="DATABASE_POOL",
            peer=True,
        ),
        Specimen(
            "an event loop asked for by the environment",
            plant=environment(WEB_INTERFACE="asgi", DATABASE_POOL="persistent"),
            repair=environment(DATABASE_POOL="native"),
            near_miss=environment(WEB_INTERFACE="wsgi", DATABASE_POOL="persistent"),
            subject="DATABASE_POOL",
            peer=True,
        ),
    ),
)
def pooling_fits_the_interface(inspection: Inspection) -> Iterator[Finding]:
    interface = _interface()
    entry = inspection.target.entries["app"]
    persistent = entry["CONN_MAX_AGE"] != 0
    inspection.evidence.update(
        interface=interface, pool=settings.DATABASE_POOL_MODE, conn_max_age=entry["CONN_MAX_AGE"]
    )
    if interface == "asgi" and persistent:
        yield Finding(
            Level.ERROR,
            "Persistent connections under ASGI",
            "DATABASE_POOL",
            "Every request would leave a connection behind in its own thread.",
            "Set DATABASE_POOL=native, or WEB_INTERFACE=wsgi.",
        )


def _interface() -> str:
    """`wsgi` or `asgi`, as the Procfile's web process names it, else as WEB_INTERFACE says."""
    path = settings.BASE_DIR / "Procfile"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    web = next((line for line in lines if line.startswith("web:")), "")
    for interface in ("wsgi", "asgi"):
        if f"config.{interface}" in web:
            return interface
    if "config/gunicorn.py" in web:
        return str(settings.WEB_INTERFACE)
    raise CannotSee(
        "The Procfile has no web process that serves config.wsgi or config.asgi.",
        "Write one: web: gunicorn --config config/gunicorn.py",
    )


@control(
    "TECH-001.2",
    "The service gives its connections back",
    sees=(sees_monitoring,),
    specimens=(
        Specimen(
            "a transaction left open",
            plant=sequence(open_session("app", "BEGIN", "SELECT 1"), wait(IDLE_SECONDS + 0.3)),
            repair=end_sessions,
            near_miss=sequence(
                open_session("app", "SELECT 1"),
                open_session("owner", "BEGIN", "SELECT 1"),
                wait(IDLE_SECONDS + 0.3),
                open_session("app", "BEGIN", "SELECT 1"),
            ),
            subject="scratch_app",
        ),
    ),
)
def connections_are_given_back(inspection: Inspection) -> Iterator[Finding]:
    idle = idle_transactions(inspection.cursor, inspection.app_role, IDLE_SECONDS)
    inspection.evidence.update(idle_in_transaction=len(idle), threshold_seconds=IDLE_SECONDS)
    for session in idle:
        yield Finding(
            Level.ERROR,
            "A connection stays inside a transaction",
            inspection.app_role,
            f"Session {session.pid} ({session.application}) has done nothing in its transaction "
            f"for {session.seconds:.0f} s.",
            f"End it: SELECT pg_terminate_backend({session.pid}); and keep slow work out of "
            "transaction.atomic().",
        )
