"""No credential can be read where people look: logs, sessions, the server's password storage."""

import logging
import re
from collections.abc import Iterator

from apps.controls.control import Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection, sees_monitoring
from apps.controls.planting import append, configure, end_sessions, open_session, original, sql
from apps.database.facts.server import setting
from apps.database.facts.sessions import session_texts
from apps.database.redaction import RedactionFilter

SCRAM = "scram-sha-256"
# An address with a password in it, or a statement that carries a password in clear. A SCRAM
# verifier or an md5 hash in a statement is no password, but it serves to guess one: both count.
_SECRET = re.compile(
    r"[a-z][a-z0-9+.-]*://[^\s:/@]+:[^\s/@]+@|\bpassword\s*(=\s*|\s)\s*'[^']+'", re.IGNORECASE
)


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
            if _SECRET.search(text):
                yield Finding(
                    Level.ERROR,
                    "A session shows a credential",
                    subject,
                    f"The {subject} of session {session.pid} of {session.role} holds one.",
                    "Change that password; then give it in a connection's own field, or, in "
                    "ALTER ROLE, as a SCRAM verifier.",
                )
