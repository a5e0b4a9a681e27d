"""A cluster of our own starts, refuses strangers, stops, and leaves nothing behind."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from apps.database.embedded import scratch_cluster
from apps.database.server import (
    LONGEST_SOCKET_FOLDER,
    Binaries,
    Cluster,
    ServerError,
    free_port,
    socket_folder_for,
)
from config.env import BASE_DIR

HOLDER = """
import sys, time
from apps.database.embedded import scratch_cluster
with scratch_cluster() as cluster:
    print(cluster.folder, (cluster.data / "postmaster.pid").read_text().split()[0], flush=True)
    time.sleep(60)
"""


def ended(pid: int) -> bool:
    """Whether the process is no more, or only waits for its parent to hear of its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def gone(pid: int, folder: Path, seconds: float = 15) -> bool:
    """Whether the server's process and folder end within the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ended(pid) and not folder.exists():
            return True
        time.sleep(0.05)
    return False


def test_a_disposable_cluster_lives_as_long_as_its_block() -> None:
    with scratch_cluster() as cluster:
        assert cluster.running
        pid = int((cluster.data / "postmaster.pid").read_text().split()[0])
        with cluster.connect() as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        modes = {
            path: stat.S_IMODE(path.stat().st_mode)
            for path in (cluster.data, cluster.socket_folder, cluster.password_file, cluster.log)
        }
    assert list(modes.values()) == [0o700, 0o700, 0o600, 0o600]
    assert gone(pid, cluster.folder, seconds=1)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_process_leaves_no_server_and_no_folder(end: signal.Signals) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        cwd=BASE_DIR,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        folder, pid = holder.stdout.readline().split()
        holder.send_signal(end)
        holder.wait(timeout=15)
    assert gone(int(pid), Path(folder))


def test_a_wrong_password_is_refused_over_the_socket_and_over_the_network() -> None:
    with scratch_cluster(port=free_port()) as cluster:
        for host in (str(cluster.socket_folder), "127.0.0.1"):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(
                    host=host, port=cluster.port, user="postgres", password="plain", dbname="x"
                )


def test_a_setting_that_postgresql_refuses_is_one_sentence() -> None:
    cluster = scratch_cluster(settings={"max_connections": "several"})
    try:
        with pytest.raises(ServerError) as refused, cluster:
            pytest.fail("a server with a wrong setting started")
        assert str(refused.value).startswith("PostgreSQL did not start: ")
        assert "\n" not in str(refused.value)
    finally:
        cluster.remove()


def test_a_half_made_data_directory_is_made_again() -> None:
    cluster = scratch_cluster()
    try:
        cluster.data.mkdir()
        (cluster.data / "left-by-a-full-disk").touch()
        cluster.create()
        assert cluster.exists
        assert not (cluster.data / "left-by-a-full-disk").exists()
    finally:
        cluster.remove()


def test_programs_that_are_missing_are_one_sentence(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "cluster", Binaries(tmp_path / "nowhere"))
    with pytest.raises((ServerError, OSError)) as refused:
        cluster.create()
    assert "nowhere" in str(refused.value)
    assert not cluster.exists


def test_a_deep_folder_gets_a_short_socket_of_its_own(tmp_path: Path) -> None:
    deep = [tmp_path / ("x" * 100) / name for name in ("one", "two")]
    folders = {socket_folder_for(folder) for folder in deep}
    assert len(folders) == 2
    assert all(len(os.fsencode(str(folder))) <= LONGEST_SOCKET_FOLDER for folder in folders)
    shallow = Path("/srv/holdfast")
    assert socket_folder_for(shallow) == shallow / "socket"
