"""A service under load, the faults that strike it, and the ledger of what it promised."""

import http.client
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg

from apps.database.embedded import scratch_cluster
from apps.database.roles import Credential, Roles, provision
from apps.database.server import Cluster, free_port
from config.env import BASE_DIR
from config.variables import VARIABLES
from drills.proxy import Proxy
from tests.bouncer import bouncer

DATABASE = "service"
HOST = "database.holdfast.test"
CLIENTS = 24
# Longer than any answer may take: whatever lasts so long is a hang.
HANG_SECONDS = 20.0
STATEMENT_SECONDS = 2
MODES = ("persistent", "native", "pgbouncer", "native-asgi")


@dataclass(frozen=True)
class Attempt:
    """One request of a client: what it asked for, when, and what came of it; status 0 is a hang."""

    key: str
    started: float
    ended: float
    status: int
    retry_after: str | None
    content_type: str

    @property
    def seconds(self) -> float:
        return self.ended - self.started


class Ledger:
    """What clients were told, kept outside the judged database."""

    def __init__(self) -> None:
        self.writes: list[Attempt] = []
        self.pages: list[Attempt] = []
        self.in_flight = 0
        self._lock = threading.Lock()

    @contextmanager
    def flying(self) -> Iterator[None]:
        with self._lock:
            self.in_flight += 1
        try:
            yield
        finally:
            with self._lock:
                self.in_flight -= 1

    def acknowledged(self) -> list[Attempt]:
        return [attempt for attempt in list(self.writes) if attempt.status == 201]


@dataclass
class Site:
    """A database server, a proxy before it, maybe PgBouncer, and the service: all of them real."""

    cluster: Cluster
    proxy: Proxy
    roles: Roles
    folder: Path
    mode: str
    web_port: int = field(default_factory=free_port)

    @property
    def hosts(self) -> Path:
        """What the service sees as /etc/hosts."""
        return self.folder / "hosts"

    def resolve(self, *, known: bool) -> None:
        line = f"127.0.0.1 {HOST}\n" if known else ""
        self.hosts.write_text(f"127.0.0.1 localhost\n{line}")

    def tracebacks(self) -> str:
        """The service's own words about answers of 500, for the failure's report."""
        said = (self.folder / "web.log").read_text().partition("Internal Server Error")[2]
        return "\n".join(line for line in said.splitlines()[:140] if " 201 " not in line)

    def connect(self) -> psycopg.Connection:
        """A connection of the app role by the way that the service takes."""
        app = self.roles.app
        return psycopg.connect(
            host="127.0.0.1", port=self.proxy.port, dbname=DATABASE, user=app.name,
            password=app.password, connect_timeout=2, autocommit=True,
        )  # fmt: skip

    def accepting(self) -> float:
        """Wait until the database accepts writers again, and say when that was."""
        deadline = time.monotonic() + 30
        while True:
            try:
                with self.connect() as connection:
                    connection.execute("SELECT 1")
                return time.monotonic()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def variables(self, **more: str) -> dict[str, str]:
        """The service's environment, and nothing of ours."""
        ours = {variable.name for variable in VARIABLES}
        inherited = {name: value for name, value in os.environ.items() if name not in ours}
        app, owner = self.roles.app, self.roles.owner
        pool, _, interface = self.mode.partition("-")
        return {
            **inherited,
            "DJANGO_SETTINGS_MODULE": "drills.service.settings",
            "ENVIRONMENT": "test",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "ALLOWED_HOSTS": "127.0.0.1",
            "DATABASE_URL": f"postgresql://{app.name}:{app.password}@{HOST}:{self.proxy.port}/{DATABASE}",
            "DATABASE_OWNER_URL": self.cluster.address(owner.name, owner.password, DATABASE),
            "DATABASE_POOL": pool,
            "WEB_INTERFACE": interface or "wsgi",
            "DATABASE_STATEMENT_TIMEOUT": str(STATEMENT_SECONDS),
            "DATABASE_CONNECT_TIMEOUT": "1",
            "RUNTIME_DIR": str(self.folder / "run"),
            "PORT": str(self.web_port),
            "WEB_CONCURRENCY": "2",
            "WEB_THREADS": "16",
            **more,
        }


@contextmanager
def site(mode: str, folder: Path, *, bouncer_size: int = 30, **variables: str) -> Iterator[Site]:
    """A running site in one of MODES; everything is stopped afterwards."""
    with ExitStack() as stack:
        cluster = stack.enter_context(
            scratch_cluster(
                port=free_port(),
                settings={"synchronous_commit": "on", "fsync": "on", "max_connections": "60"},
            )
        )
        roles = Roles(
            *(
                Credential(f"service_{r}", secrets.token_urlsafe(18))
                for r in ("owner", "app", "auditor")
            ),
            app_settings=(("statement_timeout", f"{STATEMENT_SECONDS}s"), ("TimeZone", "UTC")),
        )
        with cluster.connect() as admin:
            provision(admin, DATABASE, roles)
        target = cluster.port or 0
        if mode == "pgbouncer":
            target = free_port()
            sizes = {
                "default_pool_size": str(bouncer_size),
                "reserve_pool_size": "0",
                "query_timeout": str(STATEMENT_SECONDS + 1),
            }
            stack.enter_context(bouncer(cluster, DATABASE, roles.app, folder, target, sizes))
        proxy = stack.enter_context(Proxy(target))
        made = Site(cluster, proxy, roles, folder, mode)
        made.resolve(known=True)
        (folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        prepare(made)
        stack.enter_context(serving(made, **variables))
        yield made


def prepare(made: Site) -> None:
    """Migrate as the owner, directly, and make the table of the writes."""
    subprocess.run(
        # The checks would say, rightly, that so many threads want too many connections.
        [sys.executable, "manage.py", "migrate", "--verbosity", "0", "--skip-checks"],
        cwd=BASE_DIR, env=made.variables(DATABASE_POOL="persistent"), check=True, timeout=120,
    )  # fmt: skip
    with made.cluster.connect(DATABASE) as admin:
        admin.execute("CREATE TABLE drill_write (key uuid NOT NULL, at timestamptz DEFAULT now())")
        admin.execute("ALTER TABLE drill_write OWNER TO service_owner")
        admin.execute("GRANT SELECT, INSERT ON drill_write TO service_app")


def in_a_world_of_its_own(made: Site, command: list[str]) -> list[str]:
    """The command where /etc/hosts and /etc/resolv.conf are the site's: a mount namespace."""
    script = (
        'mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/resolv.conf" /etc/resolv.conf && '
        'exec "$@"'
    )
    return ["unshare", "--mount", "sh", "-c", script, str(made.folder), *command]


@contextmanager
def serving(made: Site, **variables: str) -> Iterator[None]:
    log = made.folder / "web.log"
    with log.open("w") as output:
        web = subprocess.Popen(
            in_a_world_of_its_own(
                made, [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py"]
            ),
            cwd=BASE_DIR, env=made.variables(**variables), stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while ask(made, "GET", "/health/ready/").status != 200:
            assert web.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.1)
        yield
    finally:
        web.send_signal(signal.SIGTERM)
        web.wait(timeout=40)


def ask(made: Site, method: str, path: str, headers: dict[str, str] | None = None) -> Attempt:
    """One request, on a connection of its own."""
    started = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", made.web_port, timeout=HANG_SECONDS)
    status, retry_after, content_type = 0, None, ""
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        answer.read()
        status, retry_after = answer.status, answer.headers["Retry-After"]
        content_type = answer.headers.get("Content-Type", "")
    except (OSError, http.client.HTTPException):
        # Nothing was acknowledged; the attempt counts as not answered.
        pass
    finally:
        connection.close()
    return Attempt(path, started, time.monotonic(), status, retry_after, content_type)


@contextmanager
def load(made: Site) -> Iterator[Ledger]:
    """Clients that write without a pause, and one that reads pages with a session and in admin."""
    ledger, stop = Ledger(), threading.Event()

    def write() -> None:
        while not stop.is_set():
            with ledger.flying():
                attempt = ask(made, "POST", f"/writes/{uuid4()}/")
            ledger.writes.append(attempt)
            if attempt.status != 201:
                stop.wait(0.1)

    def read() -> None:
        cookie = {"Cookie": f"sessionid={'a' * 32}", "Accept": "text/html"}
        while not stop.is_set():
            for path in ("/", "/search/?q=tls", "/admin/", "/health/ready/"):
                ledger.pages.append(ask(made, "GET", path, cookie))
            stop.wait(0.05)

    threads = [threading.Thread(target=write) for _ in range(CLIENTS)]
    threads.append(threading.Thread(target=read))
    for thread in threads:
        thread.start()
    try:
        yield ledger
    finally:
        stop.set()
        for thread in threads:
            thread.join(HANG_SECONDS + 5)


Fault = Callable[[Site], float]


@dataclass(frozen=True)
class Outcome:
    """What one fault did to one pooling mode."""

    fault: str
    mode: str
    in_flight: int
    statuses: Counter[int]
    page_statuses: Counter[int]
    longest_seconds: float
    recovery_seconds: float
    acknowledged: int
    lost: int
    doubled: int
    rude: int

    HEADER = (
        f"{'fault':<22}{'mode':<13}{'in flight':>9}  {'answers to writes':<24}{'to pages':<24}"
        f"{'longest':>8}{'recovery':>9}{'acked':>7}{'lost':>5}{'doubled':>8}"
    )

    def __str__(self) -> str:
        def told(counts: Counter[int]) -> str:
            return " ".join(f"{status}×{counts[status]}" for status in sorted(counts))

        return (
            f"{self.fault:<22}{self.mode:<13}{self.in_flight:>9}  {told(self.statuses):<24}"
            f"{told(self.page_statuses):<24}{self.longest_seconds:>7.2f}s"
            f"{self.recovery_seconds:>8.2f}s{self.acknowledged:>7}{self.lost:>5}{self.doubled:>8}"
        )


def strike(made: Site, ledger: Ledger, name: str, fault: Fault) -> Outcome:
    """Cause the fault under load, wait for the service, and count what became of the writes.

    The fault returns the moment at which the database accepted connections again.
    """
    settle(ledger)
    first_write, first_page = len(ledger.writes), len(ledger.pages)
    in_flight = ledger.in_flight
    accepting_at = fault(made)
    good = first_good(ledger, first_write, accepting_at)
    settle(ledger)
    writes, pages = ledger.writes[first_write:], ledger.pages[first_page:]
    acknowledged = [attempt.key.split("/")[2] for attempt in writes if attempt.status == 201]
    found = found_keys(made)
    refused = [attempt for attempt in [*writes, *pages] if attempt.status == 503]
    return Outcome(
        fault=name,
        mode=made.mode,
        in_flight=in_flight,
        statuses=Counter(attempt.status for attempt in writes),
        page_statuses=Counter(attempt.status for attempt in pages),
        longest_seconds=max(attempt.seconds for attempt in [*writes, *pages]),
        recovery_seconds=max(0.0, good - accepting_at),
        acknowledged=len(acknowledged),
        lost=sum(found[key] == 0 for key in acknowledged),
        doubled=sum(found[key] > 1 for key in acknowledged),
        rude=sum(attempt.retry_after is None for attempt in refused),
    )


def settle(ledger: Ledger) -> None:
    """Wait until writes flow again: three rounds of every client without a failure."""
    deadline = time.monotonic() + 60
    while True:
        start = len(ledger.writes)
        while len(ledger.writes) < start + 3 * CLIENTS or ledger.in_flight < CLIENTS - 4:
            assert time.monotonic() < deadline, "writes do not flow"
            time.sleep(0.01)
        if all(attempt.status == 201 for attempt in ledger.writes[start:]):
            return


def first_good(ledger: Ledger, start: int, accepting_at: float) -> float:
    """When the first write was acknowledged after the database accepted connections again."""
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        ended = [
            a.ended for a in ledger.writes[start:] if a.status == 201 and a.ended >= accepting_at
        ]
        if ended:
            return min(ended)
        assert time.monotonic() < deadline, "no good answer after the fault"
        time.sleep(0.01)


def found_keys(made: Site) -> Counter[str]:
    with made.cluster.connect(DATABASE) as admin:
        rows = admin.execute("SELECT key::text, count(*) FROM drill_write GROUP BY key").fetchall()
    return Counter(dict(rows))
