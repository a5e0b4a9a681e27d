"""`make run` in fresh clones: cold, warm, side by side, in closed homes, and when it cannot."""

import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drills.clone import Clone, copy_project, get, postmasters_of


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that everybody may pass through, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-drill-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def clone(place: Path) -> Clone:
    """A fresh clone in a deep path with spaces, whose socket cannot lie inside."""
    folder = place / "a folder with spaces" / ("x" * 60) / "deeper and deeper" / "holdfast"
    folder.mkdir(parents=True)
    copy_project(folder)
    return Clone(folder)


def modes(folder: Path) -> dict[Path, int]:
    return {parent: stat.S_IMODE(parent.stat().st_mode) for parent in folder.parents}


def test_the_main_job_runs_cold_then_warm_and_keeps_its_data(clone: Clone) -> None:
    before = modes(clone.folder)
    with clone.running() as cold:
        page = get(clone.address)
        assert page.status == 200
        assert page.body.count("TECH-00") >= 6
        assert re.search(r"password \S{20,} \(shown this once\)", cold.text)
        assert stat.S_IMODE((clone.folder / ".env").stat().st_mode) == 0o600
        assert "Traceback" not in cold.text
    assert cold.text.rstrip().splitlines()[-1].startswith(("Stopped", "make: ***"))
    assert "Stopped: web server and database." in cold.text
    assert postmasters_of(clone.folder) == []
    with clone.running() as warm:
        assert get(clone.address).status == 200
        assert "shown this once" not in warm.text
        assert clone.manage("import_profile", "docs/risk-profile.md").returncode == 0
    assert modes(clone.folder) == before
    print(
        f"\nmake run until the page answers: cold {cold.seconds:.1f} s, warm {warm.seconds:.1f} s"
    )
    assert warm.seconds < 30


def test_every_suggested_command_works_from_a_second_terminal(clone: Clone) -> None:
    with clone.running() as run:
        said = run.text + get(clone.address).body
        commands = sorted(set(re.findall(r"\.venv/bin/python manage\.py ([^\n<&#|]+)", said)))
        assert any(command.startswith("dbbackup") for command in commands)
        # A backup comes before its verification.
        for command in sorted(commands, key=lambda words: (words != "dbbackup", words)):
            answer = clone.manage(*command.split())
            assert "Traceback" not in answer.stderr, command
            # assess answers with 1 and 2 about the database.
            assert answer.returncode in ((0, 1, 2) if "assess" in command else (0,)), (
                command,
                answer.stderr,
            )
        judged = clone.manage("assess", "--control", "DATA-002.1", "DATA-002.2")
        assert judged.returncode == 0, judged.stdout
        # A copy on another machine is nothing that a clone can make.
        assert clone.manage("assess", "--control", "DATA-002.5").returncode == 1


def test_the_web_process_outlives_its_database(clone: Clone) -> None:
    with clone.running():
        assert clone.manage("embedded", "stop").returncode == 0
        page, api = get(clone.address), get(clone.address, accept="application/json")
        assert (page.status, page.headers["Retry-After"]) == (503, "5")
        assert (api.status, api.headers["Content-Type"]) == (503, "application/problem+json")
        assert get(f"{clone.address}admin/login/").status in (200, 503)
        assert get(f"{clone.address}health/live/").status == 200
        assert get(f"{clone.address}health/ready/").status == 503
        assert clone.manage("embedded", "status").returncode == 1
        assert clone.manage("embedded", "start").returncode == 0
        started = time.monotonic()
        while get(clone.address).status != 200:
            assert time.monotonic() - started < 2
            time.sleep(0.05)
        assert get(f"{clone.address}health/ready/").status == 200


def test_two_clones_run_side_by_side_and_a_busy_port_is_one_sentence(
    clone: Clone, place: Path
) -> None:
    second = Clone(place / "second")
    second.folder.mkdir()
    copy_project(second.folder)
    shutil.copytree(clone.folder / ".venv", second.folder / ".venv", symlinks=True)
    with clone.running(), second.running():
        assert get(clone.address).status == get(second.address).status == 200
        busy = second.make("run", f"PORT={clone.port}")
        sentence = f"make run: port {clone.port} cannot be used (Address already in use)"
        assert sentence in busy.stderr
        assert "Traceback" not in busy.stderr
    assert postmasters_of(place) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_an_ordinary_user_runs_it_in_a_closed_home(place: Path) -> None:
    home = place / "closed home"
    clone = Clone(home / "holdfast", user="nobody", home=home)
    clone.folder.mkdir(parents=True)
    copy_project(clone.folder)
    account = pwd.getpwnam("nobody")
    subprocess.run(["chown", "-R", f"{account.pw_uid}:{account.pw_gid}", str(home)], check=True)
    home.chmod(0o700)
    with clone.running() as run:
        assert get(clone.address).status == 200
        owner = (clone.folder / "var" / "postgres" / "data").stat().st_uid
        assert owner == account.pw_uid
    print(f"\nas an ordinary user: {run.seconds:.1f} s")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert postmasters_of(place) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose server is another user's")
def test_root_runs_it_in_a_closed_home_and_is_told_where_the_data_lies(
    clone: Clone, place: Path
) -> None:
    home = place / "root's closed home"
    inside = Clone(home / "holdfast")
    inside.folder.mkdir(parents=True)
    copy_project(inside.folder)
    shutil.copytree(clone.folder / ".venv", inside.folder / ".venv", symlinks=True)
    home.chmod(0o700)
    outside: Path | None = None
    try:
        with inside.running() as run:
            assert get(inside.address).status == 200
            told = re.search(r"so it lies in (/var/lib/holdfast/\S+)", run.text)
            assert told is not None
            outside = Path(told[1])
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert postmasters_of(outside) == []
    finally:
        if outside is not None:
            shutil.rmtree(outside.parent)


def test_a_python_without_venv_is_one_sentence(place: Path) -> None:
    clone = Clone(place / "no venv")
    clone.folder.mkdir()
    copy_project(clone.folder)
    fake = place / "python-without-venv"
    fake.write_text('#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\nexec python3 "$@"\n')
    fake.chmod(0o755)
    answer = clone.make("run", f"PYTHON={fake}")
    assert answer.returncode != 0
    assert "on Debian or Ubuntu: apt install python3-venv" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a full and a read-only disk")
@pytest.mark.parametrize(
    ("options", "words"),
    [("size=4m", "No space left on device"), ("ro", "Read-only file system")],
)
def test_a_full_or_read_only_disk_is_one_sentence(
    clone: Clone, place: Path, options: str, words: str
) -> None:
    clone_here = Clone(place / f"disk {options}")
    clone_here.folder.mkdir()
    copy_project(clone_here.folder)
    shutil.copytree(clone.folder / ".venv", clone_here.folder / ".venv", symlinks=True)
    disk = clone_here.folder / "var"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)
    try:
        answer = clone_here.make("run", f"PORT={clone_here.port}")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert answer.returncode != 0
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (clone_here.folder / ".env").exists()
