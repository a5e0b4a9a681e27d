"""Processes of gunicorn count into one folder, which is empty at every start."""

from pathlib import Path

import pytest

from tests.config.test_settings import run

SCRIPT = """
import os
from config.multiprocess import FOLDER, VARIABLE, forget_process, start_afresh
folder = start_afresh()
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
def told():
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    lines = generate_latest(registry).decode().splitlines()
    # Files are read in the order in which the folder lists them.
    return " ".join(sorted(line for line in lines if line[0] != "#"))
Counter("counted", "x").inc(3)
Gauge("held", "x", multiprocess_mode="livesum").set(5)
print(folder == FOLDER, os.environ[VARIABLE] == str(folder), told())
forget_process(os.getpid())
print(told())
start_afresh()
print(list(folder.iterdir()) if folder == FOLDER else "another")
"""


def variables(folder: Path) -> dict[str, str]:
    return {"ENVIRONMENT": "test", "RUNTIME_DIR": str(folder), "PORT": "8123"}


def test_a_start_begins_with_an_empty_folder(tmp_path: Path) -> None:
    left = tmp_path / "metrics-8123"
    left.mkdir()
    (left / "counter_1.db").write_bytes(b"of an earlier start")
    other = tmp_path / "metrics-8124"
    other.mkdir()
    answer = run("-c", SCRIPT, **variables(tmp_path))
    assert answer.stdout.splitlines() == [
        "True True counted_total 3.0 held 5.0",
        "counted_total 3.0",
        "[]",
    ]
    assert answer.stderr == ""
    # Another service of this machine has its own.
    assert other.is_dir()


def test_where_the_folder_cannot_be_written_it_counts_elsewhere(tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("no folder")
    answer = run("-c", SCRIPT, **variables(blocked))
    assert answer.stdout.splitlines()[0] == "False True counted_total 3.0 held 5.0"
    assert answer.stdout.splitlines()[-1] == "another"


@pytest.mark.parametrize("port", ["none", "0"])
def test_a_wrong_port_is_one_sentence(tmp_path: Path, port: str) -> None:
    answer = run("-c", "import config.multiprocess", **{**variables(tmp_path), "PORT": port})
    assert answer.returncode == 3
    assert answer.stderr.startswith("Configuration: PORT is")
