"""Settings in processes of their own: what stops the start, and what a web process knows."""

import os
import subprocess
import sys

import pytest

from config.env import BASE_DIR
from config.variables import VARIABLES

CANARY = "Canary-S3cr3t-0"
KEY = "kY7-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2
PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": KEY,
    "ALLOWED_HOSTS": "register.example",
    "DATABASE_URL": f"postgresql://app:{CANARY}@%2Frun%2Fpostgresql/register",
}
ROLES = {
    "DATABASE_OWNER_URL": f"postgresql://owner:{CANARY}@%2Frun%2Fpostgresql/register",
    "DATABASE_AUDITOR_URL": f"postgresql://auditor:{CANARY}@%2Frun%2Fpostgresql/register",
    "DATABASE_ADMIN_URL": f"postgresql://postgres:{CANARY}@%2Frun%2Fpostgresql/postgres",
}
# Starting or reaching anything while settings are read would be a side effect of an import.
WATCH = """
import sys
forbidden = ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.system", "socket.connect")
def hook(event, arguments):
    if event in forbidden:
        sys.stderr.write(f"SEEN {event} {arguments}\\n")
sys.addaudithook(hook)
"""


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Python with these variables of ours and no other, whatever `.env` says."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    nothing = {variable.name: "" for variable in VARIABLES}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=BASE_DIR,
        env={**inherited, **nothing, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def sentence(answer: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a refused start."""
    assert answer.returncode == 3
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1
    assert CANARY not in answer.stderr
    assert KEY not in answer.stderr
    return answer.stderr.removeprefix("Configuration: ").rstrip("\n")


def test_the_deployment_checks_are_clean_in_production() -> None:
    answer = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION, **ROLES)
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set. Generate one: python -c "),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is not set; expected the site's host names"),
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set; expected postgresql://USER"),
        ({"DEBUG": "true"}, "DEBUG is true and ENVIRONMENT is production; remove DEBUG."),
        ({"DEBUG": "ture"}, "DEBUG is 'ture'; expected true or false"),
        ({"SECRET_KEY": "plain"}, "SECRET_KEY has 5 characters; expected at least 50 random"),
        ({"SECRET_KEY": "ab" * 40}, "SECRET_KEY has 80 characters; expected at least 50 random"),
        ({"ENVIRONMENT": "", "DEBUG": "yes"}, "DEBUG is true and ENVIRONMENT is production"),
        ({"ENVIRONMENT": "prod"}, "ENVIRONMENT is 'prod'; expected production, development"),
        ({"ENVIROMENT": "development"}, "ENVIROMENT is not a known variable. Did you mean ENV"),
        ({"TLS_PROXY": "yess"}, "TLS_PROXY is 'yess'; expected true or false"),
        ({"DATABASE_OWNER_URL": "mysql://o@h/d"}, "DATABASE_OWNER_URL: the scheme is mysql://"),
        (
            {"DATABASE_URL": f"postgresql://app:{CANARY}@db.example/d?sslmode=require"},
            "DATABASE_URL: sslmode is 'require'; production expects at least 'verify-full'.",
        ),
    ],
)
def test_a_wrong_environment_is_one_sentence_and_exit_code_3(
    change: dict[str, str], expected: str
) -> None:
    assert sentence(run("manage.py", "check", **{**PRODUCTION, **change})).startswith(expected)


def test_reading_settings_starts_and_reaches_nothing() -> None:
    setup = "import django; django.setup(); from django.conf import settings; settings.DATABASES"
    answer = run("-c", WATCH + setup, **PRODUCTION, DJANGO_SETTINGS_MODULE="config.settings")
    # croniter, which procrastinate imports, asks `file` how wide Python's numbers are.
    seen = [
        line for line in answer.stderr.splitlines() if "Popen ('file', ['file', '-b'" not in line
    ]
    assert (answer.returncode, seen) == (0, [])


def test_the_watch_over_settings_sees_a_process_and_a_connection() -> None:
    deeds = "import os, socket; os.system(':'); socket.socket().connect_ex(('127.0.0.1', 1))"
    seen = run("-c", WATCH + deeds).stderr
    assert "SEEN os.system" in seen
    assert "SEEN socket.connect" in seen


@pytest.mark.parametrize("entry_point", ["config.wsgi", "config.asgi"])
def test_a_web_process_holds_the_credentials_of_app_only(entry_point: str) -> None:
    # gc sees what any module still holds, such as the dictionary of the environment.
    script = f"""
import gc, os, {entry_point}
from django.conf import settings
held = [d for d in gc.get_objects() if type(d) is dict]
print(settings.DATABASES["default"]["USER"], settings.DATABASE_ROLES)
print([name for name in os.environ if name.startswith(("DATABASE_OWNER", "DATABASE_AUDITOR"))])
print([v for d in held for v in list(d.values()) if isinstance(v, str) and "owner-only" in v])
"""
    roles = {name: url.replace(CANARY, "owner-only") for name, url in ROLES.items()}
    script = script.replace('"owner-only"', '"-".join(["owner", "only"])')
    # Without collected files, as here, WhiteNoise warns of a missing folder.
    variables = {**PRODUCTION, **roles, "DATABASE_POOL": "native"}
    answer = run("-W", "ignore::UserWarning", "-c", script, **variables)
    assert answer.stderr == ""
    assert answer.stdout.splitlines() == ["app {}", "[]", "[]"]


def test_a_command_holds_the_credentials_of_every_role() -> None:
    script = "from config import settings; print(sorted(settings.DATABASE_ROLES))"
    assert run("-c", script, **PRODUCTION, **ROLES).stdout == "['admin', 'auditor', 'owner']\n"


@pytest.mark.parametrize("entry_point", ["config.wsgi", "config.asgi"])
def test_a_web_process_that_is_configured_wrongly_ends_with_one_sentence(entry_point: str) -> None:
    wrong = {**PRODUCTION, "DATABASE_POOL": "native", "SECRET_KEY": ""}
    answer = run("-c", f"import {entry_point}", **wrong)
    assert sentence(answer).startswith("SECRET_KEY is not set.")


def test_an_event_loop_with_persistent_connections_does_not_start() -> None:
    answer = run("-c", "import config.asgi", **PRODUCTION)
    assert sentence(answer).startswith("DATABASE_POOL is 'persistent' under ASGI, where every")


def test_gunicorn_gives_up_when_its_worker_is_configured_wrongly() -> None:
    """A worker that ended otherwise would be started again for ever."""
    answer = run(
        *("-m", "gunicorn", "config.wsgi", "--bind", "127.0.0.1:0", "--workers", "1"),
        *("--worker-tmp-dir", "/tmp", "--no-control-socket"),
        # gunicorn itself reads WEB_CONCURRENCY, and takes nothing for a number.
        **{**PRODUCTION, "ALLOWED_HOSTS": "", "WEB_CONCURRENCY": "1"},
    )
    assert answer.returncode == 3
    assert answer.stderr.count("Configuration: ALLOWED_HOSTS is not set") == 1
    assert "Traceback" not in answer.stderr
