"""Backups for real: the full cycle with times, spoilt ones, and a swap while writes run."""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from config.env import BASE_DIR
from drills.outages import DATABASE, HANG_SECONDS, MODES, Site, load, settle, site
from drills.test_outages import can_have_a_world_of_its_own
from tests.backups.service import Service, service
from tests.programs import require, require_program

MEGABYTES = int(os.environ.get("DRILL_BACKUP_MB", "100"))
ROWS_A_MEGABYTE = 4000
ENTRIES = SQL(
    "CREATE TABLE entries AS SELECT n AS id, md5(n::text) AS reference,"
    " now() - n * interval '1 second' AS at, (random() * 1e6)::numeric(12,2) AS amount,"
    " repeat(md5((n * 7)::text), 4) AS remark FROM generate_series(1, {rows}) n"
)


def timed(made: Service, *arguments: str) -> tuple[float, str]:
    started = time.monotonic()
    said = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=BASE_DIR, env=made.variables(),
        capture_output=True, text=True, timeout=3600,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr[-2000:]
    return time.monotonic() - started, said.stdout


def test_the_full_cycle_brings_back_what_was_destroyed(tmp_path: Path, report: list[str]) -> None:
    with service(tmp_path / "backups") as made:
        with made.connect("owner") as owner:
            owner.execute(ENTRIES.format(rows=Literal(MEGABYTES * ROWS_A_MEGABYTE)))
            owner.execute("ALTER TABLE entries ADD PRIMARY KEY (id)")
        before, there = contents(made), megabytes(made)
        making, _ = timed(made, "dbbackup", "--quiet", "--output-filename", "cycle.psql.bin.zst")
        size = (made.folder / "cycle.psql.bin.zst").stat().st_size
        proving, said = timed(made, "verify_backup", "--latest")
        with made.cluster.connect() as admin:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(DATABASE)))
        restoring, _ = timed(made, "restore_backup", "latest", "--into", DATABASE, "--commit")
        assert contents(made) == before
    report.append(
        f"full cycle, {there:.0f} MB in the database: backup {making:.1f} s "
        f"({size / 1e6:.0f} MB stored), verify {proving:.1f} s, destroyed, restore "
        f"{restoring:.1f} s, every row equal; {said.strip()}"
    )


def contents(made: Service) -> tuple[object, ...]:
    """Numbers of rows, and digests of them."""
    with made.connect("owner") as owner:
        rows = owner.execute(
            "SELECT count(*), sum(hashtextextended(e::text, 0)) FROM entries e"
        ).fetchone()
        kept = owner.execute("SELECT count(*), sum(amount) FROM ledger").fetchone()
    assert rows is not None
    assert kept is not None
    return rows + kept


def megabytes(made: Service) -> float:
    with made.connect("owner") as owner:
        row = owner.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return float(row[0]) / 1e6


@pytest.mark.parametrize("mode", MODES)
def test_a_backup_and_a_swap_under_load_lose_nothing(mode: str, report: list[str]) -> None:
    require(can_have_a_world_of_its_own(), "root and mount namespaces (unshare)")
    if mode == "pgbouncer":
        require_program("pgbouncer", "pgbouncer")
    with tempfile.TemporaryDirectory(prefix="holdfast-drill-", dir="/tmp") as folder:
        path = Path(folder)
        path.chmod(0o711)
        with site(mode, path) as made, load(made) as ledger:
            settle(ledger)
            first, first_page = len(ledger.writes), len(ledger.pages)
            began = time.monotonic()
            manage(made, "dbbackup", "--quiet")
            backed_up = time.monotonic()
            manage(
                made, "restore_backup", "latest", "--into", DATABASE, "--swap", "--commit",
                "--lose-later-writes",
            )  # fmt: skip
            swapped = time.monotonic()
            settle(ledger)
            writes, pages = ledger.writes[first:], ledger.pages[first_page:]
            early = {key(a.key) for a in ledger.acknowledged() if a.ended < began}
            told = {key(a.key) for a in ledger.acknowledged()}
            current, old = keys(made, DATABASE), keys(made, old_database(made))
            assert early <= current, "a write acknowledged before the backup is gone"
            assert told <= current | old, "an acknowledged write is in neither database"
            statuses = Counter(attempt.status for attempt in writes)
            page_statuses = Counter(attempt.status for attempt in pages)
            longest = max(attempt.seconds for attempt in [*writes, *pages])
            report.append(
                f"swap under load, {mode}: backup {backed_up - began:.1f} s, restore and swap "
                f"{swapped - backed_up:.1f} s; writes {dict(statuses)}, pages "
                f"{dict(page_statuses)}, longest {longest:.2f} s; {len(told)} acknowledged, "
                f"{len(told - current)} of them since the backup and kept in the old database"
            )
            assert set(statuses) <= {201, 503}, made.tracebacks()
            assert set(page_statuses) <= {200, 302, 503}, made.tracebacks()
            assert longest < HANG_SECONDS


def key(path: str) -> str:
    return path.split("/")[2]


def manage(made: Site, *arguments: str) -> None:
    auditor = made.roles.auditor
    more = {
        "DATABASE_POOL": "persistent",
        "WEB_INTERFACE": "wsgi",
        "DATABASE_ADMIN_URL": made.cluster.address(),
        "DATABASE_AUDITOR_URL": made.cluster.address(auditor.name, auditor.password, DATABASE),
        "DATABASE_URL": made.cluster.address(
            made.roles.app.name, made.roles.app.password, DATABASE
        ),
        "BACKUP_DIR": str(made.folder / "backups"),
    }
    answer = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=BASE_DIR, env=made.variables(**more),
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-2000:]


def old_database(made: Site) -> str:
    with made.cluster.connect() as admin:
        row = admin.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, 'service_old_')"
        ).fetchone()
    assert row is not None
    return str(row[0])


def keys(made: Site, database: str) -> set[str]:
    with made.cluster.connect(database) as admin:
        rows: list[psycopg.rows.TupleRow] = admin.execute(
            "SELECT key::text FROM drill_write"
        ).fetchall()
    return {row[0] for row in rows}
