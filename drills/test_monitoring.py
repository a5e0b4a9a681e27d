"""Real faults, watched by a real Prometheus: each turns its probes and fires its alerts."""

import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import yaml

from apps.database.server import free_port
from config.env import BASE_DIR
from drills.outages import DATABASE, HANG_SECONDS, Site, ask, site
from drills.prometheus import RULES, Prometheus, prometheus
from drills.test_outages import can_have_a_world_of_its_own
from tests.programs import require

READY_SECONDS = 1.5
# What this world cannot cause: lag needs a standby and a role that may see it, and a server that is
# not believed needs TLS. promtool tests the rules of both.
NOT_CAUSED = {"HoldfastReplicaLags", "HoldfastServerUnproven"}


@dataclass
class Watched:
    """The service, who watches it, and every alert that has fired."""

    site: Site
    prometheus: Prometheus
    variables: dict[str, str]
    fired: set[str] = field(default_factory=set)

    def expect(self, *names: str) -> dict[str, float]:
        seconds = self.prometheus.wait_for(set(names))
        self.fired |= set(names)
        return seconds

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command with every role's address, straight to the server."""
        cluster, roles = self.site.cluster, self.site.roles
        auditor = roles.auditor
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self.site.variables(
                **self.variables,
                DATABASE_POOL="persistent",
                DATABASE_URL=cluster.address(roles.app.name, roles.app.password, DATABASE),
                DATABASE_AUDITOR_URL=cluster.address(auditor.name, auditor.password, DATABASE),
                DATABASE_ADMIN_URL=cluster.address(),
            ),
            capture_output=True,
            text=True,
            timeout=120,
        )

    @contextmanager
    def admin(self) -> Iterator[psycopg.Connection]:
        with self.site.cluster.connect(DATABASE) as connection:
            yield connection

    def workers(self) -> list[int]:
        """The processes that serve, without the one that watches over them."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                variables = (process / "environ").read_bytes().split(b"\0")
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if f"PORT={self.site.web_port}".encode() in variables:
                found[int(process.name)] = parent
        return [process for process, parent in found.items() if parent in found]


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """A service of two processes on a pool of two connections, in clear text over TCP."""
    require(can_have_a_world_of_its_own(), "root and mount namespaces (unshare)")
    with ExitStack() as stack:
        name = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="holdfast-drill-", dir="/tmp")
        )
        folder = Path(name)
        folder.chmod(0o711)
        variables = {
            "DJANGO_SETTINGS_MODULE": "drills.service.monitored_settings",
            "BACKUP_DIR": str(folder / "backups"),
            "BACKUP_KEEP_DAYS": "2",
            "DATABASE_POOL_SIZE": "1",
            "DATABASE_POOL_MAX_OVERFLOW": "1",
            "DATABASE_POOL_TIMEOUT": "1",
            "DATABASE_STATEMENT_TIMEOUT": "8",
        }
        made = stack.enter_context(site("native", folder, **variables))
        nobody = f"127.0.0.1:{free_port()}"
        watching = prometheus(folder / "prometheus", [f"127.0.0.1:{made.web_port}", nobody])
        service = Watched(made, stack.enter_context(watching), variables)
        # With the auditor's address at hand, this gives the auditor its rights.
        assert service.manage("migrate", "--verbosity", "0", "--skip-checks").returncode == 0
        yield service


def probe(watched: Watched) -> dict[str, tuple[int, float]]:
    """Status and seconds of each probe."""
    paths = {"live": "/health/live/", "ready": "/health/ready/", "full": "/health/"}
    answers = {name: ask(watched.site, "GET", path) for name, path in paths.items()}
    return {name: (found.status, found.seconds) for name, found in answers.items()}


def told(broken: str, probes: dict[str, tuple[int, float]], alerts: dict[str, float]) -> str:
    columns = "  ".join(f"{name} {s} {t * 1000:4.0f} ms" for name, (s, t) in probes.items())
    return f"{broken:<28}{columns}  " + ", ".join(f"{n} {t:.0f} s" for n, t in alerts.items())


def test_a_service_that_was_never_backed_up_or_judged_says_so(
    watched: Watched, report: list[str]
) -> None:
    seconds = watched.expect(
        *("HoldfastBackupOld", "HoldfastBackupUnproven", "HoldfastAssessmentOld"),
        # It speaks to its server in clear text over TCP; the second target has nobody.
        *("HoldfastClearText", "HoldfastNotScraped"),
    )
    probes = probe(watched)
    assert [probes[name][0] for name in ("live", "ready", "full")] == [200, 200, 503]
    report.append(told("no backup, clear text", probes, seconds))


def test_the_target_is_scraped_and_tells_all_processes(watched: Watched, report: list[str]) -> None:
    targets = watched.prometheus.api("targets")["activeTargets"]
    (target,) = [t for t in targets if str(watched.site.web_port) in t["scrapeUrl"]]
    assert (target["health"], target["lastError"]) == ("up", "")
    report.append(f"scraped: {target['scrapeUrl']} in {target['lastScrapeDuration']:.3f} s")
    query = 'sum(holdfast_requests_total{method="GET",status="404"})'
    before = counted(watched, "404")
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda n: ask(watched.site, "GET", f"/nowhere/{n}/"), range(40)))
    assert counted(watched, "404") == before + 40
    deadline = time.monotonic() + 10
    while watched.prometheus.value(query) != before + 40:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def counted(watched: Watched, status: str) -> float:
    """Answers of a status, as whichever process is asked tells it."""
    text = read(watched, "/metrics")
    found = re.findall(rf'^holdfast_requests_total\{{.*status="{status}"\}} (\S+)$', text, re.M)
    return sum(map(float, found))


def read(watched: Watched, path: str) -> str:
    connection = http.client.HTTPConnection(
        "127.0.0.1", watched.site.web_port, timeout=HANG_SECONDS
    )
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_the_counts_of_a_killed_worker_stay_and_its_connections_go(watched: Watched) -> None:
    before = counted(watched, "404")
    old = watched.workers()
    assert len(old) == 2
    os.kill(old[0], signal.SIGKILL)
    deadline = time.monotonic() + 15
    while len(watched.workers()) < 2 or old[0] in watched.workers():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert counted(watched, "404") == before
    (folder,) = (watched.site.folder / "run").glob("metrics-*")
    assert list(folder.glob(f"gauge_live*_{old[0]}.db")) == []
    assert list(folder.glob(f"counter_{old[0]}.db")) != []


def test_an_assessment_tells_which_controls_fail(watched: Watched, report: list[str]) -> None:
    answer = watched.manage("assess")
    assert answer.returncode == 1, answer.stderr
    seconds = watched.expect("HoldfastControlsFail")
    watched.prometheus.wait_until_quiet({"HoldfastAssessmentOld"})
    report.append(told("controls fail", probe(watched), seconds))


def test_backups_are_told_and_a_damaged_one_too(watched: Watched, report: list[str]) -> None:
    with watched.admin() as admin:
        admin.execute(
            "CREATE TABLE ballast AS SELECT gen_random_uuid() FROM generate_series(1, 99999)"
        )
        admin.execute("ALTER TABLE ballast OWNER TO service_owner")
    assert watched.manage("dbbackup", "--quiet").returncode == 0
    proven = watched.manage("verify_backup", "--latest")
    assert proven.returncode == 0, proven.stderr
    watched.prometheus.wait_until_quiet({"HoldfastBackupOld", "HoldfastBackupUnproven"})
    with watched.admin() as admin:
        admin.execute("DROP TABLE ballast")
    # Names have seconds.
    time.sleep(1.1)
    assert watched.manage("dbbackup", "--quiet").returncode == 0
    shrank = watched.expect("HoldfastBackupShrank")
    newest = max((watched.site.folder / "backups").glob("*.zst"), key=lambda p: p.stat().st_mtime)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert watched.manage("verify_backup", "--latest").returncode == 1
    seconds = watched.expect("HoldfastBackupNotProven")
    report.append(told("a damaged backup", probe(watched), shrank | seconds))


def test_migrations_that_wait_fail_or_never_end(watched: Watched, report: list[str]) -> None:
    with watched.admin() as admin:
        row = admin.execute(
            "DELETE FROM django_migrations WHERE id = (SELECT max(id) FROM django_migrations"
            " WHERE app = 'schema') RETURNING id, app, name, applied"
        ).fetchone()
        seconds = watched.expect("HoldfastMigrationsWait")
        probes = probe(watched)
        assert [probes[name][0] for name in ("live", "ready", "full")] == [200, 503, 503]
        # What it would make is there already.
        assert watched.manage("migrate", "--no-input", "--skip-checks").returncode == 1
        seconds |= watched.expect("HoldfastMigrationFailed")
        admin.execute("INSERT INTO django_migrations VALUES (%s, %s, %s, %s)", row)
        # As a process leaves it that is killed.
        admin.execute(
            "INSERT INTO schema_migrationrun (id, started_at, role, plan, backwards, backup,"
            " no_backup_reason, destructive) VALUES"
            " (gen_random_uuid(), now(), 'service_owner', '[]', false, '', '', '[]')"
        )
        seconds |= watched.expect("HoldfastMigrationUnfinished")
    report.append(told("a migration waits", probes, seconds))


def together(watched: Watched, paths: list[str], method: str = "GET") -> list[int]:
    with ThreadPoolExecutor(len(paths)) as clients:
        return [a.status for a in clients.map(lambda p: ask(watched.site, method, p), paths)]


def test_statements_that_are_refused(watched: Watched, report: list[str]) -> None:
    with repeating(lambda: together(watched, ["/bad-statement/"] * 2)):
        seconds = watched.expect(
            *("HoldfastStatementsRefused", "HoldfastDatabaseErrors", "HoldfastServerErrors"),
            "HoldfastSecretsMasked",
        )
        probes = probe(watched)
    report.append(told("refused statements", probes, seconds))


@contextmanager
def repeating(act: Callable[[], object]) -> Iterator[None]:
    """Inside, the act is done again and again."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.is_set():
            act()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(HANG_SECONDS)


def test_passwords_that_are_guessed(watched: Watched, report: list[str]) -> None:
    with repeating(lambda: sign_in(watched)), repeating(lambda: sign_in(watched)):
        seconds = watched.expect("HoldfastLoginsFail")
    report.append(told("guessed passwords", probe(watched), seconds))


def sign_in(watched: Watched) -> None:
    """One wrong attempt, as a browser makes it."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", watched.site.web_port, timeout=HANG_SECONDS
    )
    try:
        connection.request("GET", "/admin/login/")
        answer = connection.getresponse()
        page, cookie = answer.read().decode(), answer.headers.get("Set-Cookie", "")
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        if found is None:
            return
        form = {"csrfmiddlewaretoken": found[1], "username": "nobody", "password": uuid4().hex}
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": cookie.partition(";")[0],
        }
        connection.request("POST", "/admin/login/", urllib.parse.urlencode(form), headers)
        connection.getresponse().read()
    finally:
        connection.close()


def test_a_pool_without_room(watched: Watched, report: list[str]) -> None:
    with repeating(lambda: together(watched, ["/hold/900/"] * 16)):
        seconds = watched.expect("HoldfastPoolExhausted", "HoldfastQueriesSlow")
        deadline = time.monotonic() + 30
        # Each process knows its own pool at once, and that of the other within seconds.
        while (probes := probe(watched))["full"][0] != 503 or not in_full(watched, "pool: broken"):
            assert time.monotonic() < deadline
        assert probes["live"][0] == 200
        assert probes["ready"][0] == 200
    report.append(told("the pool has no room", probes, seconds))


def in_full(watched: Watched, words: str) -> bool:
    return words in read(watched, "/health/?format=text")


def test_a_lock_that_is_not_given(watched: Watched, report: list[str]) -> None:
    with watched.admin() as admin, admin.transaction():
        admin.execute("LOCK TABLE drill_write")
        writes = [f"/writes/{uuid4()}/" for _ in range(4)]
        with repeating(lambda: together(watched, writes, "POST")):
            seconds = watched.expect("HoldfastRollbacks", "HoldfastTransactionsLong")
            probes = probe(watched)
    assert [probes[name][0] for name in ("live", "ready")] == [200, 200]
    report.append(told("a lock is not given", probes, seconds))


def test_a_server_without_connections(watched: Watched, report: list[str]) -> None:
    with ExitStack() as crowd:
        for _ in range(52):
            crowd.enter_context(watched.site.cluster.connect())
        seconds = watched.expect("HoldfastConnectionsRunOut")
        probes = probe(watched)
    report.append(told("connections run out", probes, seconds))


def test_a_table_that_may_not_be_read(watched: Watched, report: list[str]) -> None:
    with watched.admin() as admin:
        admin.execute("REVOKE SELECT ON backups_backuprow FROM service_app")
        try:
            seconds = watched.expect("HoldfastFactsUnseen")
            assert in_full(watched, "backup: unknown, this role may not read")
        finally:
            admin.execute("GRANT SELECT ON backups_backuprow TO service_app")
    report.append(told("a right is missing", probe(watched), seconds))


def test_a_slow_network(watched: Watched, report: list[str]) -> None:
    def anew() -> None:
        watched.site.proxy.reset()
        together(watched, ["/hold/1/"] * 2)

    watched.site.proxy.delay_seconds = 0.2
    try:
        with repeating(anew):
            seconds = watched.expect("HoldfastConnectingSlow")
    finally:
        watched.site.proxy.delay_seconds = 0.0
    report.append(told("a slow network", probe(watched), seconds))


@pytest.mark.parametrize("fault", ["stopped", "swallowed"])
def test_a_database_that_is_away(watched: Watched, fault: str, report: list[str]) -> None:
    if fault == "stopped":
        watched.site.cluster.stop("fast")
    else:
        watched.site.proxy.stall()
    try:
        with repeating(lambda: ask(watched.site, "GET", "/search/?q=tls")):
            seconds = watched.expect(
                "HoldfastDatabaseDown", "HoldfastOutageAnswers", "HoldfastConnectFailures"
            )
            probes = probe(watched)
    finally:
        if fault == "stopped":
            watched.site.cluster.start()
        else:
            watched.site.proxy.go_on()
    assert [probes[name][0] for name in ("live", "ready", "full")] == [200, 503, 503]
    assert probes["ready"][1] < READY_SECONDS
    watched.site.accepting()
    watched.prometheus.wait_until_quiet({"HoldfastDatabaseDown"})
    deadline = time.monotonic() + 10
    while probe(watched)["ready"][0] != 200:
        assert time.monotonic() < deadline
    report.append(told(f"the database is {fault}", probes, seconds))


def test_every_alert_has_fired_by_its_fault(watched: Watched) -> None:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    names = {rule["alert"] for group in groups for rule in group["rules"]}
    assert names - watched.fired == NOT_CAUSED
