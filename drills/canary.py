"""A secret planted wherever one can enter the process, and a search wherever one can leave it."""

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from psycopg.sql import SQL, Identifier

from apps.database.roles import Credential, Roles
from apps.database.server import Cluster, free_port
from config.variables import ASSESSED, ROLES, VARIABLES, prefix_of

DATABASE = "canary"
# The role of an address that `assess` is pointed at.
STRANGER = "canary_stranger"
COMMAND_SECONDS = 40
# Commands that serve, wait for a person or run the tests end with the time that they get.
SERVING = {"runserver", "testserver"}
NOT_RUN = {"test": "runs the tests, and prints what they print"}
ON, OFF = "drills.service.canary_settings", "drills.service.unredacted_settings"


def canary(name: str) -> str:
    """A secret that addresses, Python, JSON, SQL and HTML each write differently."""
    return f"C4nary-{name}-{secrets.token_hex(6)}/'&+% ü"


CANARIES = {role: canary(role) for role in (*ROLES, "assessed")} | {
    "key canary": f"{canary('key')}{'k3Y-' * 12}",
    "bucket canary": canary("bucket"),
    "health canary": f"C4nary-health-{secrets.token_hex(6)}/plain-token",
    "metrics canary": f"C4nary-metrics-{secrets.token_hex(6)}/plain-token",
    "identity canary": f"AGE-SECRET-KEY-1C4NARY{secrets.token_hex(16).upper()}",
}
CREDENTIALS = Roles(
    *(Credential(f"canary_{role}", CANARIES[role]) for role in ("owner", "app", "auditor"))
)


@dataclass
class World:
    """A provisioned server, a copy of the project, and the three ways to give it its secrets."""

    cluster: Cluster
    project: Path
    folder: Path
    settings: str = ON

    def addresses(self, way: str) -> dict[str, str]:
        """Every role's variables: as `url`, as `parts`, or as `files` that hold the passwords."""
        found = {}
        for role in ROLES:
            user = "postgres" if role == "admin" else f"canary_{role}"
            password = self.cluster.superuser_password() if role == "admin" else CANARIES[role]
            found |= self._address(prefix_of(role), user, password, way)
        return found

    def _address(self, prefix: str, user: str, password: str, way: str) -> dict[str, str]:
        host = str(self.cluster.socket_folder)
        if way == "url":
            where = f"{quote(host, safe='')}/{DATABASE}"
            return {f"{prefix}_URL": f"postgresql://{user}:{quote(password, safe='')}@{where}"}
        parts = {f"{prefix}_HOST": host, f"{prefix}_NAME": DATABASE, f"{prefix}_USER": user}
        if way == "parts":
            return {**parts, f"{prefix}_PASSWORD": password}
        path = self.folder / f"{prefix.lower()}-password"
        path.write_text(f"{password}\n")
        return {**parts, f"{prefix}_PASSWORD_FILE": str(path)}

    def keys(self, way: str) -> dict[str, str]:
        """The other secrets, in their variables or in files."""
        names = {
            "SECRET_KEY": "key canary",
            "BACKUP_S3_SECRET": "bucket canary",
            "BACKUP_AGE_IDENTITY": "identity canary",
            "HEALTH_TOKEN": "health canary",
            "METRICS_TOKEN": "metrics canary",
        }
        if way != "files":
            return {name: CANARIES[canary] for name, canary in names.items()}
        for name, canary in names.items():
            (self.folder / name).write_text(f"{CANARIES[canary]}\n")
        return {f"{name}_FILE": str(self.folder / name) for name in names}

    def assessed(self, socket: str = "") -> dict[str, str]:
        """The address of a database that is not the project's; its password is a canary too."""
        host = quote(socket or str(self.cluster.socket_folder), safe="")
        password = quote(CANARIES["assessed"], safe="")
        return {ASSESSED: f"postgresql://{STRANGER}:{password}@{host}/{DATABASE}"}

    def variables(self, way: str = "url", **more: str) -> dict[str, str]:
        declared = {variable.name for variable in VARIABLES}
        inherited = {name: value for name, value in os.environ.items() if name not in declared}
        (self.folder / "mails").mkdir(exist_ok=True)
        return {
            **inherited,
            **self.addresses(way),
            **self.keys(way),
            "DJANGO_SETTINGS_MODULE": self.settings,
            "ENVIRONMENT": "test",
            "ALLOWED_HOSTS": "127.0.0.1,testserver",
            "BACKUP_DIR": str(self.folder / "backups"),
            "RUNTIME_DIR": str(self.folder / "run"),
            "DRILL_MAILS": str(self.folder / "mails"),
            "DRILL_BODIES": str(self.folder / "bodies"),
            "WEB_CONCURRENCY": "1",
            **more,
        }

    def python(self, *arguments: str, seconds: float = COMMAND_SECONDS, **given: str) -> str:
        """All that a Python of the project prints, however it ends."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.project,
            env=given or self.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            return process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.communicate()[0]

    def manage(self, *arguments: str, **given: str) -> str:
        seconds = 4 if arguments[0] in SERVING else COMMAND_SECONDS
        return self.python("manage.py", *arguments, seconds=seconds, **given)


def hits(text: str) -> int:
    """How often a canary stands in the text: a part without special characters is enough."""
    return sum(text.count(value.partition("/")[0]) for value in CANARIES.values())


# What a process says when something goes wrong in it, each with a secret at hand.
SCRIPTS = {
    "a printed setting": "from django.conf import settings; print(settings.DATABASES)",
    "a printed key": "from django.conf import settings; print(settings.SECRET_KEY)",
    "a traceback": "{secret}; raise RuntimeError(secret)",
    "a traceback of a thread": (
        "{secret}; import threading\ndef work(): raise RuntimeError(secret)\n"
        "t = threading.Thread(target=work); t.start(); t.join()"
    ),
    "an error in a destructor": (
        "{secret}\nclass Held:\n    def __del__(self): raise RuntimeError(secret)\nHeld()"
    ),
    "a warning": "{secret}; import warnings; warnings.warn(secret)",
    "a log line": "{secret}; import logging; logging.getLogger('x').error('with %s', secret)",
    "a logged traceback": (
        "{secret}; import logging\ntry: raise ValueError(secret)\n"
        "except ValueError: logging.getLogger('x').exception('broken')"
    ),
    "a JSON log line": (
        "{secret}; import logging; from apps.database.json_lines import RedactingJsonFormatter\n"
        "handler = logging.StreamHandler(); handler.setFormatter(RedactingJsonFormatter())\n"
        "log = logging.getLogger('x'); log.addHandler(handler); log.propagate = False\n"
        "try: raise ValueError(secret)\n"
        "except ValueError: log.exception(secret, extra={{'deep': {{'list': [secret]}}}})"
    ),
    "the pool's log": "{secret}; import logging; logging.getLogger('psycopg.pool').error(secret)",
    "JSON on standard output": "{secret}; import json; print(json.dumps({{'a': secret}}))",
    "a refused statement": (
        "{secret}; from django.db import connection\n"
        "connection.cursor().execute('ALTER ROLE nobody PASSWRD %s', [secret])"
    ),
    "a refused address": (
        "{secret}; import psycopg\n"
        "psycopg.connect('host=127.0.0.1 port=1 password=' + secret + ' nonsense')"
    ),
    "a notice of the server": (
        "{secret}; from django.db import connection\nconnection.ensure_connection()\n"
        "connection.connection.add_notice_handler(lambda n: print(n.message_primary))\n"
        "connection.cursor().execute(\"SELECT set_config('a.b', %s, false)\", [secret])\n"
        "connection.cursor().execute(\"DO 'BEGIN RAISE WARNING ''%'', "
        "current_setting(''a.b''); END'\")"
    ),
}
SECRET = "from django.conf import settings; secret = settings.DATABASES['default']['PASSWORD']"
COMMANDS = {
    "diffsettings": ("diffsettings",),
    "diffsettings --all": ("diffsettings", "--all"),
    "assess": ("assess",),
    "assess, as JSON": ("assess", "--format", "json"),
    "gate": ("gate", "1.1", "--no-file"),
    "gate, as its file": ("gate", "1.1", "--format", "yaml"),
    "provision_roles": ("provision_roles",),
    "check": ("check", "--database", "default"),
}
PAGES = """
import os, pathlib, warnings
from django.test import Client
from django.urls import get_resolver
from django.contrib import admin
from apps.accounts.models import User
from apps.risks.models import Risk
folder = pathlib.Path(os.environ["DRILL_BODIES"]); folder.mkdir(exist_ok=True)
client = Client(raise_request_exception=False)
user = User.objects.filter(is_superuser=True).first()
addresses = ["/", "/search/?q=tls", "/nowhere/", "/health/live/", "/health/ready/", "/admin/"]
addresses += ["/gate/", "/backups/", "/migrations/", "/jobs/"]
addresses += ["/health/", "/health/startup/", "/metrics"]
addresses += [f"/health/?format={form}" for form in ("text", "html", "json", "openmetrics")]
addresses += ["/crash/", "/crash-async/", "/bad-statement/", "/bad-address/", "/log/"]
addresses += [f"/risks/{risk.pk}/" for risk in Risk.objects.all()[:3]]
for model in admin.site._registry:
    base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    addresses += [base, base + "add/"]
    addresses += [f"{base}{row.pk}/change/" for row in model._default_manager.all()[:1]]
for signed_in in (False, True):
    if signed_in:
        client.force_login(user)
    for number, address in enumerate(addresses):
        for accept in ("text/html", "application/json"):
            answer = client.get(address, headers={"Accept": accept})
            name = address.strip("/").replace("/", "_").replace("?", "_") or "index"
            text = f"{address}\\n{answer.headers}\\n" + answer.content.decode()
            (folder / f"{name}-{signed_in}-{accept[:4]}").write_text(text)
"""


def command_places(world: World, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What every command prints: alone, with a word it does not know, and without its server."""
    dead = {
        name: value.replace(quote(str(world.cluster.socket_folder), safe=""), "%2Fnowhere")
        for name, value in world.variables("url").items()
    }
    runs = [(f"manage.py {name}", [name], world.variables("parts")) for name in names]
    runs += [
        (f"manage.py {name} (a wrong word)", [name, "no-such-thing", "--no-such-option"], {})
        for name in names
    ]
    runs += [(f"manage.py {name} (no server)", [name], dead) for name in names]
    with ThreadPoolExecutor(2) as workers:
        texts = workers.map(lambda run: world.manage(*run[1], **run[2]), runs)
        yield from ((run[0], text) for run, text in zip(runs, texts, strict=True))


def server_log(world: World) -> tuple[str, str]:
    """The server's log, which has every statement; to be read before broken ones are sent."""
    return "the server's log", world.cluster.log.read_text(errors="replace")


def spoken_places(world: World) -> Iterator[tuple[str, str]]:
    """What commands print that have a secret in their hands."""
    for name, arguments in COMMANDS.items():
        yield name, world.manage(*arguments, **world.variables("files"))
    for name, more in (
        ("assess, of an address", world.assessed()),
        ("assess, of an address (no server)", world.assessed("/nowhere")),
        ("assess, of a wrong address", {ASSESSED: f"{world.assessed()[ASSESSED]}?service=x"}),
    ):
        for form in ("table", "json", "sarif"):
            yield name, world.manage("assess", "--format", form, **world.variables("url", **more))
    for name, script in SCRIPTS.items():
        yield name, world.manage("shell", "--no-imports", "-c", script.format(secret=SECRET))


def page_places(world: World, *, debug: bool) -> Iterator[tuple[str, str]]:
    """What pages say to strangers and to people who signed in, and what mails say of errors."""
    kind = "debug pages" if debug else "pages"
    more = {"ENVIRONMENT": "development", "DEBUG": "true"} if debug else {}
    said = world.manage("shell", "--no-imports", "-c", PAGES, **world.variables(**more))
    yield f"the log of {kind}", said
    for folder, name in (("bodies", kind), ("mails", f"error mails of {kind}")):
        files = sorted((world.folder / folder).iterdir())
        # In DEBUG nothing is mailed.
        assert files or (debug and folder == "mails"), f"no {name}: {said[-3000:]}"
        for path in files:
            yield f"{name}: {path.stem.partition('-')[0]}", path.read_text(errors="replace")
            path.unlink()


def stored_places(world: World) -> Iterator[tuple[str, str]]:
    """What stays behind: tables, sidecars and statistics; and what other sessions can see."""
    with world.cluster.connect(DATABASE) as admin:
        tables = admin.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        for (table,) in tables:
            rows = admin.execute(SQL("SELECT t::text FROM {} t").format(Identifier(table)))
            yield f"table {table}", "\n".join(row[0] for row in rows)
        rows = admin.execute("SELECT t::text FROM pg_stat_activity t")
        yield "pg_stat_activity", "\n".join(row[0] for row in rows)
    for folder in ("backups", "run"):
        files = sorted(path for path in (world.folder / folder).rglob("*") if path.is_file())
        assert files, f"nothing was written into {folder}"
        yield f"files in {folder}", "\n".join(p.read_bytes().decode("latin-1") for p in files)


def server_places(world: World) -> Iterator[tuple[str, str]]:
    """gunicorn's own log, and what it answers to strangers while it breaks."""
    for form in ("line", "json"):
        yield from _server_places(world, form)


def _server_places(world: World, form: str) -> Iterator[tuple[str, str]]:
    port = free_port()
    log = world.folder / f"gunicorn-{form}.log"
    with log.open("w") as output:
        web = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py"],
            cwd=world.project,
            env=world.variables(PORT=str(port), LOG_FORMAT=form),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        root = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while not answer(f"{root}/health/live/"):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        paths = ("crash", "crash-async", "bad-statement", "bad-address", "log", "search", "health")
        answers = [answer(f"{root}/{path}/") for path in paths] + [answer(f"{root}/metrics")]
    finally:
        web.terminate()
        web.wait(timeout=40)
    yield f"gunicorn's log, {form}", log.read_text()
    yield f"answers of gunicorn, {form}", "\n".join(answers)


def answer(address: str) -> str:
    try:
        with urllib.request.urlopen(address, timeout=10) as found:
            return str(found.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""


@contextmanager
def process_list() -> Iterator[list[str]]:
    """The command lines of all processes, looked at as often as possible meanwhile."""
    seen: set[str] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    seen.add((process / "cmdline").read_bytes().decode(errors="replace"))

    thread = threading.Thread(target=look)
    thread.start()
    found: list[str] = []
    try:
        yield found
    finally:
        stop.set()
        thread.join()
        found.extend(sorted(seen))
