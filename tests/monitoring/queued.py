"""A migrated database whose worker does only what it is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apps.database.embedded import scratch_cluster
from apps.database.roles import Credential, Roles
from apps.database.server import free_port
from apps.monitoring.schedule import JOBS
from tests.schema.world import World

DATABASE = "queued"
ROLES = Roles(
    *(Credential(f"queued_{role}", f"plain-{role}-words") for role in ("owner", "app", "auditor"))
)


@contextmanager
def queued(folder: Path) -> Iterator[World]:
    """The project on a server of its own, with nothing that falls due by itself."""
    off = {f"JOB_{job.name.upper()}": "off" for job in JOBS if job.scheduled}
    variables = {**off, "BACKUP_DIR": str(folder / "backups"), "RUNTIME_DIR": str(folder / "run")}
    with scratch_cluster(port=free_port()) as cluster:
        world = World(cluster, ROLES, settings="config.settings", variables=variables)
        world.create(DATABASE)
        migrated = world.run(DATABASE, "migrate", "--verbosity", "0")
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        yield world
