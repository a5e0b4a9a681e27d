"""No credential can be read where people look: logs, sessions, the server's password storage."""

import logging
import secrets
from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.password_validation import CommonPasswordValidator
from psycopg.sql import SQL, Identifier, Literal

from apps.controls.control import (
    Action,
    Finding,
    Inapplicable,
    Level,
    NotApplicable,
    Scope,
    Specimen,
    control,
)
from apps.controls.inspection import Inspection, sees_monitoring
from apps.controls.planting import (
    append,
    configure,
    end_sessions,
    environment,
    nothing,
    open_session,
    original,
    sequence,
    sql,
    track,
    untrack,
)
from apps.controls.scratch import SCRATCH, Scratch
from apps.database.facts.credentials import SECRET_TEXT
from apps.database.facts.repository import tracked_files
from apps.database.facts.server import setting
from apps.database.facts.sessions import session_texts
from apps.database.redaction import RedactionFilter, known_secrets, secret_pattern
from config.env import BASE_DIR
from config.variables import prefix_of

SCRAM = "scram-sha-256"


@control(
    "SEC-001.1",
    "New passwords are stored as SCRAM verifiers",
    specimens=(
        Specimen(
            "md5 for the whole server",
            plant=configure(password_encryption="md5"),
            repair=configure(password_encryption="scram-sha-256"),
            near_miss=sql("ALTER ROLE scratch_owner SET password_encryption = 'md5'"),
            subject="password_encryption",
        ),
    ),
)
def passwords_are_stored_as_scram(inspection: Inspection) -> Iterator[Finding]:
    value = setting(inspection.cursor, "password_encryption")
    inspection.evidence["password_encryption"] = value
    if value != SCRAM:
        yield Finding(
            Level.ERROR,
            "Passwords are stored as weak hashes",
            "password_encryption",
            f"password_encryption is {value}; a stolen md5 hash is as good as the password.",
            f"ALTER SYSTEM SET password_encryption = '{SCRAM}'; SELECT pg_reload_conf(); "
            "then set every password anew.",
        )


@control(
    "SEC-001.2",
    "Redaction stands before every log handler",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a handler without the filter",
            plant=append(
                "config/settings.py",
                'LOGGING["handlers"]["file"] = '
                '{"class": "logging.StreamHandler", "formatter": "line"}\n'
                'LOGGING["loggers"]["django.request"] = {"handlers": ["file"]}\n',
            ),
            repair=original("config/settings.py"),
            near_miss=append(
                "config/settings.py",
                'LOGGING["handlers"]["quiet"] = {"class": "logging.NullHandler"}\n'
                'LOGGING["loggers"]["django.request"] = {"handlers": ["quiet"]}\n',
            ),
            subject="django.request",
            peer=True,
        ),
    ),
)
def redaction_is_installed(inspection: Inspection) -> Iterator[Finding]:
    handlers = 0
    for name, handler in _handlers():
        handlers += 1
        silent = isinstance(handler, logging.NullHandler)
        if not silent and not any(isinstance(f, RedactionFilter) for f in handler.filters):
            yield Finding(
                Level.ERROR,
                "A log handler writes without redaction",
                name or "root",
                f"{type(handler).__name__} of logger {name or 'root'} has no RedactionFilter.",
                'Add to the handler in LOGGING: "filters": ["redaction"]',
            )
    inspection.evidence["handlers"] = handlers


def _handlers() -> Iterator[tuple[str, logging.Handler]]:
    """Every handler of every logger of this process, with the logger's name."""
    loggers = [
        logging.getLogger(),
        *map(logging.getLogger, sorted(logging.root.manager.loggerDict)),
    ]
    for logger in loggers:
        for handler in logger.handlers:
            yield ("" if logger is logging.root else logger.name), handler


@control(
    "SEC-001.3",
    "No session shows a credential in its name or statement",
    sees=(sees_monitoring,),
    specimens=(
        Specimen(
            "an address as the session's name",
            plant=open_session("owner", name="postgresql://somebody:plantedvalue@db/x"),
            repair=end_sessions,
            near_miss=open_session("owner", name="password reset worker at https://host:443/@x"),
            subject="application_name",
        ),
        Specimen(
            "a password in a statement",
            plant=open_session("owner", "SELECT 'ALTER ROLE x PASSWORD ''plantedvalue'''"),
            repair=end_sessions,
            near_miss=open_session("owner", "SELECT 1 AS password"),
            subject="statement",
        ),
    ),
)
def sessions_show_no_credential(inspection: Inspection) -> Iterator[Finding]:
    sessions = session_texts(inspection.cursor)
    inspection.evidence["sessions"] = len(sessions)
    for session in sessions:
        for subject, text in (
            ("application_name", session.application),
            ("statement", session.statement.replace("''", "'")),
        ):
            if SECRET_TEXT.search(text):
                yield Finding(
                    Level.ERROR,
                    "A session shows a credential",
                    subject,
                    f"The {subject} of session {session.pid} of {session.role} holds one.",
                    "Change that password; then give it in a connection's own field, or, in "
                    "ALTER ROLE, as a SCRAM verifier.",
                )


_HOLDS_IT = 'PASSWORD = "{scratch.roles.app.password}"\n'


@control(
    "SEC-001.4",
    "Nothing that git tracks holds a secret of this process",
    scope=Scope.APPLICATION,
    not_applicable={"no_repository": "The project does not lie in a git repository."},
    inapplicable=(Inapplicable("outside a repository", "no_repository", nothing, peer=True),),
    specimens=(
        Specimen(
            "a password in a tracked file",
            plant=track("config/local.py", _HOLDS_IT),
            repair=untrack("config/local.py"),
            near_miss=sequence(
                track("config/local.py", _HOLDS_IT),
                untrack("config/local.py"),
                track("config/other.py", 'PASSWORD = "{{scratch.roles.app.password}}"\n'),
            ),
            subject="config/local.py",
            peer=True,
        ),
        Specimen(
            "a tracked .env",
            plant=track(".env", "LOG_LEVEL=INFO\n"),
            repair=untrack(".env"),
            near_miss=track(".env.example", "LOG_LEVEL=INFO\n"),
            subject=".env",
            peer=True,
        ),
    ),
)
def git_holds_no_secret(inspection: Inspection) -> Iterator[Finding]:
    tracked = tracked_files(BASE_DIR)
    if tracked is None:
        raise NotApplicable("no_repository")
    secrets_here = known_secrets()
    pattern = secret_pattern(tuple(secrets_here))
    inspection.evidence.update(tracked_files=len(tracked), secrets=len(secrets_here))
    for path in tracked:
        name = str(path.relative_to(BASE_DIR))
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        if path.name == ".env" or (pattern and pattern.search(text)):
            yield Finding(
                Level.ERROR,
                "git tracks a secret",
                name,
                f"{name} is tracked and holds what only this process should know.",
                f"git rm --cached {name}; then set that secret anew, because the history keeps it.",
            )


SHORTEST_PASSWORD = 12
SHORTEST_KEY = 50
_PLACEHOLDERS = ("django-insecure-", "changeme", "change-me", "insecure", "example")


def _known_as(password: str) -> Action:
    """Give the app role this password, and the peer the address that has it."""

    def act(scratch: Scratch) -> None:
        user = scratch.roles.app.name
        with scratch.connect("superuser") as connection:
            connection.execute(
                SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(user), Literal(password))
            )
        scratch.environment["DATABASE_URL"] = scratch.cluster.address(user, password, SCRATCH)

    return act


@control(
    "SEC-001.5",
    "No secret is a default or easily guessed",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "the role's name as its password",
            plant=_known_as("scratch_app"),
            repair=_known_as(secrets.token_urlsafe(18)),
            near_miss=_known_as(f"scratch_app{secrets.token_urlsafe(18)}"),
            subject="DATABASE",
            peer=True,
        ),
        Specimen(
            "a well-known password",
            plant=_known_as("1q2w3e4r5t6y7u8i9o"),
            repair=_known_as(secrets.token_urlsafe(18)),
            near_miss=_known_as(f"1q2w3e4r5t6y7u8i9o{secrets.token_urlsafe(18)}"),
            subject="DATABASE",
            peer=True,
        ),
        Specimen(
            "a key that a template left behind",
            plant=environment(SECRET_KEY=f"django-insecure-{secrets.token_urlsafe(50)}"),
            repair=environment(SECRET_KEY=secrets.token_urlsafe(50)),
            near_miss=environment(SECRET_KEY=f"{secrets.token_urlsafe(50)}django-insecure-"),
            subject="SECRET_KEY",
            peer=True,
        ),
    ),
)
def no_secret_is_a_default(inspection: Inspection) -> Iterator[Finding]:
    entries = {"app": inspection.target.entries["app"], **settings.DATABASE_ROLES}
    passwords = {role: str(entry["PASSWORD"] or "") for role, entry in entries.items()}
    inspection.evidence["passwords"] = sum(map(bool, passwords.values()))
    for role, password in passwords.items():
        # Over a socket the operating system may vouch for the user: then there is none.
        reason = _weakness(password, str(entries[role]["USER"])) if password else None
        if reason:
            yield Finding(
                Level.ERROR,
                "A password can be guessed",
                prefix_of(role),
                f"The password of {role} {reason}.",
                "Generate one: python -c 'import secrets; print(secrets.token_urlsafe(24))'",
            )
    key = settings.SECRET_KEY
    if len(key) < SHORTEST_KEY or key.lower().startswith(_PLACEHOLDERS):
        yield Finding(
            Level.ERROR,
            "The signing key can be guessed",
            "SECRET_KEY",
            "SECRET_KEY is short or starts as a template's placeholder does.",
            "Generate one: python -c 'import secrets; print(secrets.token_urlsafe(50))'",
        )


def _weakness(password: str, user: str) -> str | None:
    """What makes a password easy to guess, without a letter of it."""
    if password.lower() == user.lower():
        return "is the role's name"
    if password.lower() in CommonPasswordValidator().passwords:
        return "is a well-known one"
    if password.lower().startswith(_PLACEHOLDERS):
        return "starts as a placeholder does"
    if len(password) < SHORTEST_PASSWORD:
        return f"has fewer than {SHORTEST_PASSWORD} characters"
    return None
