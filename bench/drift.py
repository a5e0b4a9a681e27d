"""How long `drift` takes on 1,000 tables and on 5,000, and the ratio of both."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from apps.database.embedded import scratch_cluster
from apps.database.roles import Credential, Roles, provision
from apps.database.server import Cluster
from config.env import BASE_DIR

SIZES = (1000, 5000)
ROUNDS = 3
MODELS = """
from django.db import models
def make(number):
    # Checks of columns with one name and type are planned once; here each table has its own.
    quantity = f"count{number}"
    class Meta:
        app_label = "warehouse"
        db_table = f"warehouse_{number}"
        indexes = [models.Index(fields=["-made", "name"], name=f"w{number}_made")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q((f"{quantity}__lt", 100000)), name=f"w{number}_count"
            )
        ]
    fields = {
        "__module__": "warehouse.models",
        "Meta": Meta,
        "name": models.CharField(max_length=100, unique=True),
        "made": models.DateTimeField(auto_now_add=True),
        quantity: models.PositiveIntegerField(default=0),
        "price": models.DecimalField(max_digits=8, decimal_places=2, db_default=1),
        "state": models.CharField(max_length=10, db_index=True),
        "note": models.TextField(blank=True),
    }
    if number:
        fields["before"] = models.ForeignKey(f"warehouse.Table{number - 1}", models.CASCADE)
    return type(f"Table{number}", (models.Model,), fields)
for number in range(SIZE):
    make(number)
"""
SETTINGS = """
from config.settings import *
from config.settings import INSTALLED_APPS as INSTALLED
INSTALLED_APPS = [*INSTALLED, "warehouse"]
"""
# The tables are made without migrations: an application without them is compared all the same.
MAKE = """
import django
django.setup()
from django.apps import apps
from django.db import connection, transaction
from apps.database.connection import acting_as
models = list(apps.get_app_config("warehouse").get_models())
with acting_as("owner"):
    from django.db import connections
    connection = connections["default"]
    for start in range(0, len(models), 100):
        with connection.schema_editor() as editor:
            for model in models[start:start + 100]:
                editor.create_model(model)
"""
COMPARE = """
import sys, time, django
django.setup()
from apps.schema.drift import find_drift
best = None
for _ in range(int(sys.argv[1])):
    started, cpu = time.perf_counter(), time.process_time()
    report = find_drift()
    took = (time.perf_counter() - started, time.process_time() - cpu)
    best = took if best is None else min(best, took)
assert not report.findings and not report.unseen, report.findings[:3] or report.unseen[:3]
print(report.tables, *best)
"""


def measured(cluster: Cluster, size: int) -> tuple[int, float, float]:
    """Tables compared, and the best of some rounds: seconds, and those that this side worked."""
    roles = Roles(*(Credential(f"bench_{role}", "bench") for role in ("owner", "app", "auditor")))
    database = f"warehouse_{size}"
    with cluster.connect() as admin:
        provision(admin, database, roles)
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        package = Path(folder) / "warehouse"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "models.py").write_text(MODELS.replace("SIZE", str(size)))
        (Path(folder) / "warehouse_settings.py").write_text(SETTINGS)
        environment = {
            **os.environ,
            "PYTHONPATH": f"{folder}{os.pathsep}{BASE_DIR}",
            "DJANGO_SETTINGS_MODULE": "warehouse_settings",
            "DATABASE_URL": cluster.address("bench_app", "bench", database),
            "DATABASE_OWNER_URL": cluster.address("bench_owner", "bench", database),
            "DATABASE_AUDITOR_URL": cluster.address("bench_auditor", "bench", database),
        }

        def run(*arguments: str) -> str:
            answer = subprocess.run(
                [sys.executable, *arguments],
                cwd=BASE_DIR,
                env=environment,
                capture_output=True,
                text=True,
            )
            if answer.returncode:
                raise RuntimeError(answer.stderr[-2000:])
            return answer.stdout

        run("manage.py", "migrate", "--verbosity", "0", "--skip-checks")
        run("-c", MAKE)
        with psycopg.connect(environment["DATABASE_OWNER_URL"], autocommit=True) as owner:
            owner.execute("ANALYZE")
        tables, seconds, worked = run("-c", COMPARE, str(ROUNDS)).split()
    return int(tables), float(seconds), float(worked)


def run() -> Iterator[str]:
    """The lines of the table; linear growth is a ratio of times equal to that of tables."""
    yield f"drift, best of {ROUNDS} rounds, tables with 8 columns, 7 indexes and 5 constraints"
    yield ""
    yield "| tables | seconds | of which this process | ms a table | tables × | time × |"
    yield "|---|---|---|---|---|---|"
    first: tuple[int, float] | None = None
    with scratch_cluster(settings={"max_locks_per_transaction": "2000"}) as cluster:
        for size in SIZES:
            tables, seconds, worked = measured(cluster, size)
            first = first or (tables, seconds)
            yield (
                f"| {tables} | {seconds:.2f} | {worked:.2f} | {seconds / tables * 1000:.2f} "
                f"| {tables / first[0]:.1f} | {seconds / first[1]:.1f} |"
            )
    yield ""
