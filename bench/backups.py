"""Backups against plain pg_dump and the library's own connector, on one database of real size."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from apps.backups.streams import ZSTD_LEVEL
from apps.database.embedded import scratch_cluster
from apps.database.server import Cluster
from config.env import BASE_DIR

DATABASE = "bench"
BYTES_A_ROW = 320
WORDS = (
    "the order was sent late and a customer asked for her money again yesterday because no house "
    "in that street has number seven and nobody had signed for it"
)


# One process's, and how much more of it ten times the rows may take.
MOST_MEMORY, MOST_GROWTH = 120e6, 1.10


@dataclass(frozen=True)
class Round:
    """One run of a program: wall seconds, seconds of processors, and the most memory in bytes.

    Processors' time is that of the program, all it started and the server's sessions; memory is
    that of the largest process.
    """

    seconds: float
    busy: float
    peak: int


@dataclass(frozen=True)
class World:
    """A scratch server with rows, and a folder for backups."""

    cluster: Cluster
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.cluster.binaries.folder}:{os.defpath}",
            "ENVIRONMENT": "test",
            "SECRET_KEY": "k" * 50,
            "DATABASE_URL": self.cluster.address(database=DATABASE),
            "DATABASE_OWNER_URL": self.cluster.address(database=DATABASE),
            "BACKUP_DIR": str(self.folder / "backups"),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PGPASSWORD": self.cluster.superuser_password(),
        }

    def tool(self, name: str, *arguments: str, database: str = DATABASE) -> list[str]:
        return [
            str(self.cluster.binaries.folder / name),
            f"--host={self.cluster.socket_folder}",
            "--username=postgres",
            f"--dbname={database}",
            *arguments,
        ]


def run(megabytes: int = 200, rounds: int = 3) -> Iterator[str]:
    """The lines of the tables; `megabytes` is the size of the rows in pg_dump's plain form."""
    with world(megabytes // 10) as made:
        small = peaks(made)
    with world(megabytes) as made:
        yield from _dumps(made, rounds)
        yield ""
        yield from _proofs(made, rounds)
        large = peaks(made)
    yield ""
    yield from _memory(megabytes, small, large)


@contextmanager
def world(megabytes: int) -> Iterator[World]:
    """The server, with about so many megabytes of rows, migrated as the application has it."""
    settings = {"shared_buffers": "256MB", "max_wal_size": "8GB"}
    with (
        scratch_cluster(settings=settings) as cluster,
        tempfile.TemporaryDirectory(prefix="holdfast-bench-", dir="/tmp") as folder,
    ):
        made = World(cluster, Path(folder))
        with cluster.connect() as admin:
            admin.execute(f"CREATE DATABASE {DATABASE}")
        _manage(made, "migrate", "--verbosity=0")
        with cluster.connect(DATABASE) as admin:
            fill(admin, megabytes * 1_000_000 // BYTES_A_ROW)
        # The session that made the rows is not the first way's.
        time.sleep(1)
        yield made


def fill(admin: psycopg.Connection, rows: int) -> None:
    """Orders of a shop: keys, times, amounts, addresses, JSON and sentences."""
    admin.execute(
        "CREATE TABLE shop_order (id uuid, number bigint, placed_at timestamptz, state text,"
        " amount numeric(10, 2), email text, detail jsonb, note text)"
    )
    admin.execute(ORDERS, {"words": WORDS, "rows": min(rows, ROWS_OF_CHANCE)})
    for start in range(ROWS_OF_CHANCE, rows, ROWS_OF_CHANCE):
        # Making sentences takes longer than dumping them.
        admin.execute(MORE_ORDERS, {"start": start, "rows": min(rows - start, ROWS_OF_CHANCE)})
    admin.execute("ALTER TABLE shop_order ADD PRIMARY KEY (id)")
    admin.execute("CREATE INDEX ON shop_order (email)")
    admin.execute("VACUUM ANALYZE shop_order")


ROWS_OF_CHANCE = 600_000
ORDERS = """
    INSERT INTO shop_order
    SELECT gen_random_uuid(), n, now() - n * interval '7 seconds',
           (ARRAY['new', 'paid', 'sent', 'returned'])[1 + n %% 4],
           (random() * 10000)::numeric(10, 2),
           'customer' || (random() * 50000)::int || '@example.org',
           jsonb_build_object('path', '/orders/' || n || '/', 'ms', (random() * 900)::int,
                              'agent', 'Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101'),
           (SELECT string_agg(
                (string_to_array(%(words)s, ' '))[1 + (random() * 27 + (n + w) * 0)::int], ' ')
            FROM generate_series(1, 22) w)
    FROM generate_series(1, %(rows)s::int) n
"""
MORE_ORDERS = """
    INSERT INTO shop_order
    SELECT gen_random_uuid(), number + %(start)s, placed_at, state,
           (random() * 10000)::numeric(10, 2),
           'customer' || (random() * 50000)::int || '@example.org',
           jsonb_set(detail, '{ms}', to_jsonb((random() * 900)::int)), note
    FROM shop_order WHERE number <= %(rows)s
"""


PLAIN_WAY = f"pg_dump, zstd -{ZSTD_LEVEL}"
STOCK_WAY = "the library's connector, --compress"
STOCK = """
import django; django.setup()
from django.conf import settings
connector = "dbbackup.db.postgresql.PgDumpBinaryConnector"
settings.DBBACKUP_CONNECTORS = {"default": {"CONNECTOR": connector}}
from dbbackup.management.commands.dbbackup import Command
from django.core.management import call_command
call_command(Command(), "--quiet", "--compress")
"""


def ways_to_dump(made: World) -> dict[str, Callable[[], Round]]:
    """Each empties the database into the folder."""
    plain = " ".join(made.tool("pg_dump", "--format=custom", "--compress=0"))
    return {
        PLAIN_WAY: lambda: measured(
            made,
            ["/bin/sh", "-c", f"{plain} | zstd -{ZSTD_LEVEL} -q -f -o {made.folder}/plain.zst"],
        ),
        "dbbackup --no-fingerprints": lambda: _manage(
            made, "dbbackup", "--quiet", "--no-fingerprints"
        ),
        "dbbackup": lambda: _manage(made, "dbbackup", "--quiet"),
        STOCK_WAY: lambda: measured(made, [sys.executable, "-c", STOCK]),
    }


def _dumps(made: World, rounds: int) -> Iterator[str]:
    ways = ways_to_dump(made)
    found: dict[str, list[Round]] = {way: [] for way in ways}
    sizes: dict[str, int] = {}
    for number in range(rounds):
        for way, go in ways.items():
            # Gzip takes so long that once must do.
            if way == STOCK_WAY and number:
                continue
            found[way].append(go())
            sizes[way] = clear(made.folder)
    first = median(r.seconds for r in found[PLAIN_WAY])
    yield (
        "| way | seconds | ÷ pg_dump, zstd | the library's ÷ it | seconds of processors | MB "
        "| peak MB of one process |"
    )
    yield "|---|---|---|---|---|---|---|"
    stock = median(r.seconds for r in found[STOCK_WAY])
    for way, runs in found.items():
        seconds = median(r.seconds for r in runs)
        peak = max(r.peak for r in runs)
        yield (
            f"| {way} | {seconds:.2f} | {seconds / first:.2f} | {stock / seconds:.2f} "
            f"| {median(r.busy for r in runs):.1f} | {sizes[way] / 1e6:.0f} | {peak / 1e6:.0f} |"
        )


NAME = "bench-2026.psql.bin.zst"
PASS = "SELECT count(*), sum(hash_record_extended(t, 0)) FROM ONLY shop_order t"
BY_HAND = "sha256sum, pg_restore, a fingerprint"


def back_up(made: World) -> Round:
    return _manage(made, "dbbackup", "--quiet", "--output-filename", NAME)


def verify(made: World) -> Round:
    return _manage(made, "verify_backup", NAME, DATABASE_ADMIN_URL=made.cluster.address())


def _proofs(made: World, rounds: int) -> Iterator[str]:
    back_up(made)
    backup = made.folder / "backups" / NAME
    ways: dict[str, Callable[[], Round]] = {
        BY_HAND: lambda: _by_hand(made, backup),
        "verify_backup": lambda: verify(made),
    }
    found: dict[str, list[Round]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, go in ways.items():
            found[way].append(go())
    clear(made.folder)
    first = median(r.seconds for r in found[BY_HAND])
    yield "| way | seconds | ÷ by hand | seconds of processors |"
    yield "|---|---|---|---|"
    for way, runs in found.items():
        seconds, busy = median(r.seconds for r in runs), median(r.busy for r in runs)
        yield f"| {way} | {seconds:.2f} | {seconds / first:.2f} | {busy:.1f} |"


def _by_hand(made: World, backup: Path) -> Round:
    """The file's checksum, a plain restore of it and a pass over the rows, one after the other."""
    digesting = measured(made, ["sha256sum", str(backup)])
    with made.cluster.connect() as admin:
        admin.execute("CREATE DATABASE by_hand TEMPLATE template0")
        restore = " ".join(made.tool("pg_restore", database="by_hand"))
        restoring = measured(made, ["/bin/sh", "-c", f"zstd -dcq {backup} | {restore}"])
        passing = measured(made, made.tool("psql", f"--command={PASS}", database="by_hand"))
        admin.execute("DROP DATABASE by_hand")
    steps = (digesting, restoring, passing)
    return Round(sum(s.seconds for s in steps), sum(s.busy for s in steps), restoring.peak)


def peaks(made: World) -> dict[str, int]:
    """The most memory of one process of each command, in bytes."""
    found = {"dbbackup": back_up(made).peak, "verify_backup": verify(made).peak}
    clear(made.folder)
    return found


def _memory(megabytes: int, small: dict[str, int], large: dict[str, int]) -> Iterator[str]:
    yield (
        f"| command | peak MB at {megabytes // 10} MB | at {megabytes} MB | growth "
        f"| at most {MOST_MEMORY / 1e6:.0f} MB, and {MOST_GROWTH - 1:.0%} more |"
    )
    yield "|---|---|---|---|---|"
    for command, peak in large.items():
        growth = peak / small[command]
        held = peak <= MOST_MEMORY and growth <= MOST_GROWTH
        yield (
            f"| {command} | {small[command] / 1e6:.0f} | {peak / 1e6:.0f} | {growth - 1:+.0%} "
            f"| {'held' if held else 'NOT HELD'} |"
        )


def clear(folder: Path) -> int:
    """Remove the dumps; the bytes of the largest."""
    largest = 0
    for path in (*folder.glob("plain.*"), *(folder / "backups").glob("*")):
        largest = max(largest, path.stat().st_size)
        path.unlink()
    return largest


def measured(made: World, command: list[str], **variables: str) -> Round:
    """Run a program to its end; a failure is an error."""
    started, server = time.monotonic(), server_seconds(made.cluster)
    process = subprocess.Popen(
        command, cwd=BASE_DIR, env={**made.environment, **variables},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    said = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed: {said.decode()[-500:]}")
    seconds = time.monotonic() - started
    # The server notices a moment later that its sessions have ended.
    time.sleep(0.2)
    programs = usage.ru_utime + usage.ru_stime
    return Round(seconds, programs + server_seconds(made.cluster) - server, usage.ru_maxrss * 1024)


def server_seconds(cluster: Cluster) -> float:
    """Seconds of processors that the server's ended sessions took; Linux says so."""
    pid = (cluster.data / "postmaster.pid").read_text().split()[0]
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _manage(made: World, *arguments: str, **variables: str) -> Round:
    return measured(made, [sys.executable, "manage.py", *arguments], **variables)
