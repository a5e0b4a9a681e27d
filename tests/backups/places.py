"""Where tests keep backups: a folder, a bucket of a real S3 server, and storages that fail."""

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.files.storage import FileSystemStorage
from django.test import override_settings

from tests import environment

FILE = "django.core.files.storage.FileSystemStorage"


@contextmanager
def stored_in(
    monkeypatch: pytest.MonkeyPatch, backend: str, options: dict[str, Any]
) -> Iterator[None]:
    """The storage of the backups, for the application and for the library."""
    # The library reads its storage once, at import.
    monkeypatch.setattr("dbbackup.settings.STORAGE", backend)
    monkeypatch.setattr("dbbackup.settings.STORAGE_OPTIONS", options)
    kept = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(
        STORAGES={"dbbackup": {"BACKEND": backend, "OPTIONS": options}, "staticfiles": kept}
    ):
        yield


def folder_options(folder: Path) -> dict[str, Any]:
    return {
        "location": str(folder),
        "file_permissions_mode": 0o600,
        "directory_permissions_mode": 0o700,
    }


class Failing(FileSystemStorage):
    """Takes the first piece of a backup, and then what `fault` does happens."""

    fault: ClassVar[Callable[[], None]]

    def _save(self, name: str, content: Any) -> str:
        if not name.endswith(".metadata"):
            content = _Interrupted(content, type(self).fault)
        return super()._save(name, content)


class _Interrupted:
    def __init__(self, content: Any, fault: Callable[[], None]) -> None:
        self.content, self.fault = content, fault

    def chunks(self) -> Iterator[bytes]:
        pieces = self.content.chunks()
        yield next(pieces)
        self.fault()
        yield from pieces


def disk_full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def too_slow() -> None:
    time.sleep(1.5)


def interrupted() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)


def kill_pg_dump() -> None:
    """The tool is a child of this process."""
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "pg_dump":
                os.kill(int(child), signal.SIGKILL)
                return
    raise AssertionError("no pg_dump is running")


def end_server_sessions() -> None:
    """What a server that goes down does to pg_dump."""
    with environment.cluster.connect(environment.DATABASE) as admin:
        ended = admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'pg_dump'"
        ).fetchall()
    assert ended
