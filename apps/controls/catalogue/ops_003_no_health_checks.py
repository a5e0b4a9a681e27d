"""Whoever asks whether the service lives and can serve hears the truth, and nothing else.

The control starts the web application twice, as this machine's environment would: once with its
database, and once with an address that leads nowhere. *Live* is 200 both times, or an outage of the
database would restart every process. *Ready* is 200 with a database whose schema fits, otherwise
503, whatever form of answer is asked for. Neither tells strangers a host, a version or an error.
"""

import re
import sys
from collections.abc import Iterator

import django
import psycopg
from django.urls import NoReverseMatch, reverse

from apps.controls.control import Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import append, edit, nothing, original, sql
from apps.controls.probing import Answer, Service
from apps.database.facts.server import server_version
from apps.schema.pending import applied_migrations, pending_migrations

LIVE, READY = "live", "ready"
# How load balancers, orchestrators, browsers and feed readers ask.
FORMS = (
    *("*/*", "text/plain", "application/json", "text/html"),
    *("application/rss+xml", "application/openmetrics-text"),
)
_NOWHERE = "holdfast-outage-proof"
# Every part of an address that .env may have is emptied, because it would stand beside the URL.
_AWAY = {
    **{
        f"DATABASE_{part}": ""
        for part in (
            *("HOST", "PORT", "NAME", "USER", "PASSWORD", "PASSWORD_FILE"),
            *("SSLMODE", "SSLROOTCERT"),
        )
    },
    "DATABASE_URL": f"postgresql://{_NOWHERE}@%2F{_NOWHERE}/{_NOWHERE}",
    "DATABASE_CONNECT_RETRY": "0",
    "DATABASE_POOL_TIMEOUT": "1",
}
_WORDS_OF_ERRORS = re.compile(
    rf"Traceback|OperationalError|DatabaseError|psycopg|connection to server|{_NOWHERE}"
)
_HEALTH = "apps/monitoring/health.py"
_URLS = "apps/monitoring/urls.py"
_TELLS = "Tell strangers a word, and write the reason into the log: apps/monitoring/health.py."


@control(
    "OPS-003.1",
    "Probes tell the truth, also in an outage, and tell strangers nothing else",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "ready says yes in an outage",
            plant=edit(
                _HEALTH, r"yield (DatabaseAnswers|MigrationsApplied)\(asked\)", "yield from ()"
            ),
            repair=original(_HEALTH),
            near_miss=edit(
                _HEALTH,
                r"(yield DatabaseAnswers\(asked\))\n( *)(yield MigrationsApplied\(asked\))",
                r"\3\n\2\1",
            ),
            subject="/health/ready/",
            peer=True,
        ),
        Specimen(
            "live falls with the database",
            plant=edit(
                _HEALTH,
                r'(\n    response = HttpResponse\("OK)',
                r'\n    __import__("django.db").db.connection.ensure_connection()\1',
            ),
            repair=original(_HEALTH),
            near_miss=edit(_HEALTH, r'HttpResponse\("OK\\n"', r'HttpResponse("ALIVE\\n"'),
            subject="/health/live/",
            peer=True,
        ),
        Specimen(
            "ready says yes to who asks for a feed",
            plant=edit(
                _HEALTH,
                r"not \(self\.scraped and form == \"openmetrics\"\)",
                'form != "openmetrics"',
            ),
            repair=original(_HEALTH),
            near_miss=append(_URLS, "urlpatterns = [*reversed(urlpatterns)]\n"),
            subject="/health/ready/",
            peer=True,
        ),
        Specimen(
            "ready says no though everything is there",
            plant=edit(_HEALTH, r"\n        if pending:", "\n        if not pending:"),
            repair=original(_HEALTH),
            # The schema of another time: no is the truth.
            near_miss=sql("DELETE FROM django_migrations WHERE app = 'sessions'"),
            subject="/health/ready/",
            peer=True,
        ),
        Specimen(
            "the error is told to everybody",
            plant=edit(
                _HEALTH, r'ServiceUnavailable\("no answer"\)', "ServiceUnavailable(str(error))"
            ),
            repair=original(_HEALTH),
            near_miss=edit(
                _HEALTH, r'ServiceUnavailable\("no answer"\)', 'ServiceUnavailable("away")'
            ),
            subject="/health/ready/",
            peer=True,
        ),
        Specimen(
            "there is no probe",
            plant=edit("config/urls.py", r".*apps\.monitoring\.urls.*\n", ""),
            repair=original("config/urls.py"),
            near_miss=edit(
                "config/urls.py",
                r'path\("", include\("apps\.monitoring\.urls"\)\)',
                'path("probes/", include("apps.monitoring.urls"))',
            ),
            subject=READY,
            peer=True,
        ),
        Specimen(
            "the answer names a version",
            plant=edit(
                _HEALTH,
                r'HttpResponse\("OK',
                "HttpResponse(f\"Django {__import__('django').__version__} OK",
            ),
            repair=original(_HEALTH),
            near_miss=nothing,
            subject="/health/live/",
            peer=True,
        ),
    ),
)
def probes_tell_the_truth(inspection: Inspection) -> Iterator[Finding]:
    paths, missing = {}, []
    for name in (LIVE, READY):
        try:
            paths[name] = reverse(name)
        except NoReverseMatch:
            missing.append(name)
    for name in missing:
        yield _no_probe(name)
    if missing:
        return
    # First what may be hidden or locked: probes that cannot see it either answer late.
    fits = _schema_fits(inspection)
    requests = [(paths[LIVE], FORMS[0]), *((paths[READY], form) for form in FORMS)]
    with Service(requests) as here, Service(requests, **_AWAY) as away:
        asked = {"with its database": here.answers(), "without a database": away.answers()}
    inspection.evidence["statuses"] = {
        world: {f"{a.path} {a.accept}": a.status for a in answers}
        for world, answers in asked.items()
    }
    versions = _versions(inspection)
    for world, answers in asked.items():
        ready = 200 if fits and world == "with its database" else 503
        for answer in answers:
            expected = 200 if answer.path == paths[LIVE] else ready
            yield from _lies(answer, expected, world)
            yield from _tells(answer, versions, world)


def _no_probe(name: str) -> Finding:
    return Finding(
        Level.ERROR,
        "There is no probe",
        name,
        f"No address of the service is named {name!r}, so nobody can ask.",
        'Add to config/urls.py: path("", include("apps.monitoring.urls")),',
    )


def _schema_fits(inspection: Inspection) -> bool:
    """Whether app reaches its database, and no migration of the files waits there."""
    with inspection.app_connection():
        # Opened: raises CannotSee otherwise.
        pass
    return not pending_migrations(applied_migrations(inspection.cursor))


def _versions(inspection: Inspection) -> re.Pattern[str]:
    """The versions of what the service is made of, where they stand as words."""
    known = (
        server_version(inspection.cursor),
        django.get_version(),
        psycopg.__version__,
        ".".join(map(str, sys.version_info[:3])),
    )
    return re.compile("|".join(rf"(?<![\w.]){re.escape(version)}(?![\w.])" for version in known))


def _lies(answer: Answer, expected: int, world: str) -> Iterator[Finding]:
    if answer.status != expected:
        yield Finding(
            Level.ERROR,
            "A probe does not tell the truth",
            answer.path,
            f"{world.capitalize()} it answers {answer.status} to Accept: {answer.accept}; "
            f"expected {expected}.",
            f"Leave what {_HEALTH} does, or repair it.",
        )
    elif answer.status == 503 and "Retry-After" not in answer.headers:
        yield Finding(
            Level.WARNING,
            "A probe does not say when to ask again",
            answer.path,
            f"{world.capitalize()} its 503 has no Retry-After (Accept: {answer.accept}).",
            f"Leave what {_HEALTH} does, or repair it.",
        )


def _tells(answer: Answer, versions: re.Pattern[str], world: str) -> Iterator[Finding]:
    for what, pattern in (("an error's text", _WORDS_OF_ERRORS), ("a version", versions)):
        if pattern.search(answer.told):
            yield Finding(
                Level.ERROR,
                "A probe tells strangers too much",
                answer.path,
                f"{world.capitalize()} it tells {what} (Accept: {answer.accept}).",
                _TELLS,
            )
