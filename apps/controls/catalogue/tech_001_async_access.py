"""The way connections are kept fits the interface that serves requests.

Persistent connections belong to a thread; under ASGI a request gets a thread of its own, so each
leaves a connection behind. A connection that stays inside a transaction is lost to the pool. And
one synchronous query on the event loop holds up every request of the process.
"""

import asyncio
import re
from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation

from apps.controls.control import CannotSee, Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection, sees_monitoring
from apps.controls.planting import (
    append,
    edit,
    end_sessions,
    environment,
    open_session,
    original,
    sequence,
    wait,
)
from apps.database.event_loop import blocking_calls, source_files
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


_VIEWS = "apps/web/views.py"
_SAFE_VIEW = """

async def planted(request: HttpRequest) -> HttpResponse:
    found = await Risk.objects.aget(code="SEC-004")
    await found.asave()
    words = {"get": 1}.get("get")
    titles = [each.title async for each in Risk.objects.all()]
    loaded = await sync_to_async(list)(Risk.objects.all())
    await sync_to_async(lambda: Risk.objects.count())()
    return await arender(request, "web/empty.html", {"command": (words, titles, loaded)})
"""


def _view(*lines: str, before: str = "") -> str:
    """An asynchronous view, as somebody would add it to the pages."""
    body = "".join(f"    {line}\n" for line in lines)
    return f"\n\n{before}async def planted(request: HttpRequest) -> HttpResponse:\n{body}"


def _planted(name: str, text: str) -> Specimen:
    return Specimen(
        name,
        plant=append(_VIEWS, text),
        repair=original(_VIEWS),
        near_miss=append(_VIEWS, _SAFE_VIEW),
        subject=_VIEWS,
        peer=True,
    )


_HELPER = "def helper() -> str:\n    return str(Risk.objects.first())\n\n\n"


@control(
    "TECH-001.3",
    "No synchronous query is reached from the event loop",
    scope=Scope.APPLICATION,
    specimens=(
        _planted("asks for one row", _view('return HttpResponse(Risk.objects.get(code="X"))')),
        _planted(
            "loads a queryset",
            _view("found = Risk.objects.order_by('code')", "return HttpResponse(list(found))"),
        ),
        _planted("goes through a queryset", _view("for risk in Risk.objects.all():", "    pass")),
        _planted(
            "saves",
            _view("risk = await Risk.objects.afirst()", "risk.save()", "return HttpResponse()"),
        ),
        _planted(
            "renders a queryset that is not loaded",
            _view('return render(request, "web/empty.html", {"command": Risk.objects.all()})'),
        ),
        _planted(
            "by a function that it calls", _view("return HttpResponse(helper())", before=_HELPER)
        ),
    ),
)
def the_loop_is_never_held_up(inspection: Inspection) -> Iterator[Finding]:
    paths = source_files(settings.BASE_DIR, ("apps", "config"))
    inspection.evidence.update(modules=len(paths))
    try:
        found = blocking_calls(paths, settings.BASE_DIR)
    except SyntaxError as error:
        raise CannotSee(
            f"{error.filename} is no Python: {error.msg}, line {error.lineno}."
        ) from None
    for call in found:
        yield Finding(
            Level.ERROR,
            "A synchronous query runs on the event loop",
            f"{call.path.relative_to(settings.BASE_DIR)}:{call.line}",
            f"{call.code} {call.reason}. Reached by {' → '.join(call.way)}.",
            "Use the async ORM, or hand a function to sync_to_async or in_transaction.",
        )


GUARD = "DJANGO_ALLOW_ASYNC_UNSAFE"
# Files that give the web process an environment which this process may not have.
_LAUNCHERS = ("Procfile", "Dockerfile", "docker-compose.yml")


@control(
    "TECH-001.4",
    "Django refuses a synchronous query on the event loop",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "switched off in the environment",
            plant=environment(DJANGO_ALLOW_ASYNC_UNSAFE="1"),
            repair=environment(DJANGO_ALLOW_ASYNC_UNSAFE=""),
            near_miss=environment(ALLOW_ASYNC_UNSAFE="1"),
            subject=GUARD,
            peer=True,
        ),
        Specimen(
            "switched off for the web process",
            plant=edit("Procfile", r"gunicorn", f"env {GUARD}=true gunicorn"),
            repair=original("Procfile"),
            near_miss=edit("Procfile", r"gunicorn", f"env {GUARD}= gunicorn"),
            subject="Procfile",
            peer=True,
        ),
    ),
)
def the_guard_is_on(inspection: Inspection) -> Iterator[Finding]:
    refused = asyncio.run(_refuses(inspection))
    inspection.evidence.update(refused=refused)
    places = [] if refused else [GUARD]
    for name in _LAUNCHERS:
        path = settings.BASE_DIR / name
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if re.search(rf"{GUARD}(=[\"']?|[\"']?:[ \t]*[\"']?)[^\s\"']", text):
            places.append(name)
    for place in places:
        yield Finding(
            Level.ERROR,
            "Synchronous queries are allowed on the event loop",
            place,
            f"{GUARD} is set: a query there would hold up every request, in silence.",
            f"Remove {GUARD}.",
        )


async def _refuses(inspection: Inspection) -> bool:
    """Whether a cursor, asked for on an event loop, is refused."""
    try:
        inspection.connection.cursor().close()
    except SynchronousOnlyOperation:
        return True
    return False
