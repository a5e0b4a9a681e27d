"""How long `assess` takes on 1,000 tables and on 5,000, beside the SQL of two other auditors.

`python -m bench assess SPLINTER PG_INDEX_HEALTH`: the folders of supabase/splinter and of
mfvanek/pg-index-health-sql, which are not kept here. Without them only `assess` is measured.
"""

import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from apps.controls.assess import Report, address_target, assess
from apps.controls.control import Control, Scope, State
from apps.controls.discovery import all_controls
from apps.database.embedded import scratch_cluster
from apps.database.server import Cluster
from config.database import assessed_entry
from config.env import BASE_DIR, Environment
from config.variables import ASSESSED

SIZES = (1000, 5000)
ROUNDS = 3
DEFECTIVE = 50
FIRST_VERDICT_SECONDS = 1.5
PEAK_MEGABYTES = 150
ROLE, PASSWORD, SERVICE = "bench_watcher", "bench-plain-words", "bench_service"
# Five indexes and one and a half foreign keys a table; every fiftieth table has defects.
ESTATE = """
DO $$
BEGIN
    FOR n IN 0 .. {size} - 1 LOOP
        EXECUTE format('CREATE TABLE estate_%s (id bigint PRIMARY KEY, a bigint, b bigint, '
                       'name varchar(100), made timestamptz DEFAULT now(), note text)', n);
        IF n % {defective} = 7 THEN
            EXECUTE format('CREATE INDEX ON estate_%s (name)', n);
            EXECUTE format('CREATE INDEX ON estate_%s (name)', n);
        ELSE
            EXECUTE format('CREATE INDEX ON estate_%s (a)', n);
            EXECUTE format('CREATE INDEX ON estate_%s (b, name)', n);
        END IF;
        EXECUTE format('CREATE INDEX ON estate_%s (made)', n);
        EXECUTE format('CREATE UNIQUE INDEX ON estate_%s (name, made)', n);
        IF n > 0 THEN
            EXECUTE format('ALTER TABLE estate_%s ADD FOREIGN KEY (a) REFERENCES estate_%s',
                           n, n - 1);
        END IF;
        IF n > 0 AND n % 2 = 0 THEN
            EXECUTE format('ALTER TABLE estate_%s ADD FOREIGN KEY (b) REFERENCES estate_%s',
                           n, n / 2);
        END IF;
        EXECUTE format('INSERT INTO estate_%s (id, name) SELECT g, g FROM generate_series(1, 20) g',
                       n);
        IF n % 100 = 99 THEN COMMIT; END IF;
    END LOOP;
END $$
"""
# What the SQL of pg-index-health leaves open, as its own library fills it in.
PARAMETERS = {
    "schema_name_param": "'public'",
    "bloat_percentage_threshold": "10.0",
    "remaining_percentage_threshold": "10.0",
    "limit_count": "10",
}


@dataclass(frozen=True)
class Run:
    """One auditor on one estate: the best of some rounds, and what it said."""

    seconds: float
    findings: int
    checks: int
    refused: int = 0


def build(cluster: Cluster, size: int) -> str:
    """The estate's database, and its address as a member of pg_monitor."""
    database = f"estate_{size}"
    with cluster.connect() as admin:
        admin.execute(SQL("CREATE DATABASE {}").format(Identifier(database)))
    with cluster.connect(database) as admin:
        admin.execute(SQL(ESTATE).format(size=Literal(size), defective=Literal(DEFECTIVE)))
        admin.execute("ANALYZE")
    return cluster.address(ROLE, PASSWORD, database)


def best_of(rounds: int, work: Callable[[], Run]) -> Run:
    return min((work() for _ in range(rounds)), key=lambda run: run.seconds)


def ours(url: str, controls: Sequence[Control]) -> Run:
    entry = assessed_entry(url, "bench", Environment({"ENVIRONMENT": "test"}))
    target = address_target(entry, app_role=SERVICE)
    started = time.perf_counter()
    report: Report = assess(target, controls)
    seconds = time.perf_counter() - started
    findings = sum(len(verdict.findings) for verdict in report.verdicts)
    seen = sum(verdict.state is not State.UNKNOWN for verdict in report.verdicts)
    return Run(seconds, findings, len(report.verdicts), len(report.verdicts) - seen)


def theirs(url: str, statements: Sequence[str]) -> Run:
    """The statements one after the other in one session, each in a transaction of its own."""
    findings = refused = 0
    with psycopg.connect(url) as connection:
        started = time.perf_counter()
        for statement in statements:
            try:
                cursor = connection.execute(
                    statement.encode()
                )  # sql-reviewed: the user's own files
                while cursor.nextset():
                    pass
                findings += len(cursor.fetchall())
            except psycopg.Error:
                refused += 1
            connection.rollback()
        seconds = time.perf_counter() - started
    return Run(seconds, findings, len(statements), refused)


def splinter_statements(folder: str) -> list[str]:
    return [(Path(folder) / "splinter.sql").read_text(encoding="utf-8")]


def health_statements(folder: str) -> list[str]:
    """Every check of pg-index-health, in the order of the files, its parameters filled in."""
    files = sorted((Path(folder) / "sql").glob("*.sql"))
    pattern = re.compile(rf"(?<!:):({'|'.join(PARAMETERS)})\b")
    return [
        pattern.sub(lambda match: PARAMETERS[match[1]], file.read_text(encoding="utf-8"))
        for file in files
    ]


@dataclass(frozen=True)
class Process:
    """A whole `manage.py assess`: seconds to the first verdict, to the end, of work; its memory."""

    first_verdict: float
    end: float
    processor: float
    peak_megabytes: float


def whole_process(url: str) -> Process:
    """The command with a terminal as its standard error, where it shows every verdict at once."""
    reader, writer = pty.openpty()
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "assess", "--fail-on", "never"],
        cwd=BASE_DIR,
        env={**os.environ, ASSESSED: url},
        stdout=subprocess.DEVNULL,
        stderr=writer,
    )
    os.close(writer)
    first = None
    # A terminal whose other end is gone is an error, not an end.
    with suppress(OSError):
        while os.read(reader, 65536):
            first = first or time.perf_counter() - started
    os.close(reader)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or first is None:
        raise RuntimeError(f"assess ended with {process.returncode}")
    processor = usage.ru_utime + usage.ru_stime
    return Process(first, time.perf_counter() - started, processor, usage.ru_maxrss / 1024)


def run(splinter: str = "", pg_index_health: str = "") -> Iterator[str]:
    """The lines of the tables."""
    controls = [control for control in all_controls() if control.scope is Scope.PLATFORM]
    peers: dict[str, list[str]] = {}
    if splinter:
        peers["splinter"] = splinter_statements(splinter)
    if pg_index_health:
        peers["pg-index-health"] = health_statements(pg_index_health)
    yield (
        f"assess, platform scope, {len(controls)} controls, as a member of pg_monitor; "
        f"best of {ROUNDS} rounds"
    )
    for name in ("splinter", "pg-index-health"):
        if name not in peers:
            yield f"{name}: skipped; python -m bench assess SPLINTER_FOLDER PG_INDEX_HEALTH_FOLDER"
    yield ""
    yield "| tables | auditor | checks | could not see or run | findings | seconds | time × |"
    yield "|---|---|---|---|---|---|---|"
    with scratch_cluster(settings={"max_locks_per_transaction": "2000"}) as cluster:
        with cluster.connect() as admin:
            watcher = Identifier(ROLE)
            admin.execute(
                SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(watcher, Literal(PASSWORD))
            )
            admin.execute(SQL("GRANT pg_monitor TO {}").format(watcher))
            # Splinter asks what two roles of its platform may do.
            for role in (SERVICE, "anon", "authenticated"):
                admin.execute(SQL("CREATE ROLE {}").format(Identifier(role)))
        yield from _table(cluster, controls, peers)


def _table(
    cluster: Cluster, controls: Sequence[Control], peers: dict[str, list[str]]
) -> Iterator[str]:
    first: dict[str, float] = {}
    processes = []
    for size in SIZES:
        url = build(cluster, size)
        runs = {"assess": best_of(ROUNDS, lambda url=url: ours(url, controls))}
        for name, statements in peers.items():
            runs[name] = best_of(ROUNDS, lambda url=url, s=statements: theirs(url, s))
        for name, made in runs.items():
            first.setdefault(name, made.seconds)
            yield (
                f"| {size} | {name} | {made.checks} | {made.refused} | {made.findings} "
                f"| {made.seconds:.2f} | {made.seconds / first[name]:.1f} |"
            )
        others = sum(made.seconds for name, made in runs.items() if name != "assess")
        if len(peers) > 1:
            yield (
                f"| {size} | both others one after the other | | | | {others:.2f} "
                f"| assess takes {runs['assess'].seconds / others:.2f} of it |"
            )
        processes.append((size, [whole_process(url) for _ in range(ROUNDS)]))
    yield ""
    yield (
        "| tables | start to first verdict | of 1.5 s | whole command | of which this side works "
        "| peak memory | of 150 MB |"
    )
    yield "|---|---|---|---|---|---|---|"
    for size, made in processes:
        verdict = min(process.first_verdict for process in made)
        peak = max(process.peak_megabytes for process in made)
        yield (
            f"| {size} | {verdict:.2f} s | {verdict / FIRST_VERDICT_SECONDS:.2f} "
            f"| {min(process.end for process in made):.2f} s "
            f"| {min(process.processor for process in made):.2f} s | {peak:.0f} MB "
            f"| {peak / PEAK_MEGABYTES:.2f} |"
        )
    yield ""
