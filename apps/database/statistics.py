"""How one process uses its connections: counted here, published as a file for others to read.

A file, because the numbers matter most when there is no connection left to write them with.
"""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.pq import TransactionStatus

PUBLISH_EVERY_SECONDS = 5.0
# Counts of processes that ended stay readable for a day, as the evidence of an assessment does.
KEPT_SECONDS = 86400.0


@dataclass(frozen=True)
class ConnectionStatistics:
    """One process's connections: numbers now, and counts and milliseconds since it started."""

    process: int
    mode: str
    at: float
    started_at: float
    size: int
    idle: int
    active: int
    overflow: int
    waiting: int
    requests: int
    waited: int
    wait_ms: int
    timeouts: int
    failures: int
    connect_ms: int
    held_ms: int


class _Counters:
    """What psycopg's pool does not count, or no pool is there to count."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open: WeakSet[psycopg.Connection[Any]] = WeakSet()
        self.started_at = time.time()
        self.requests = self.failures = self.connect_ms = self.held_ms = 0
        self.published_at = 0.0


_counters = _Counters()


@contextmanager
def connecting() -> Iterator[None]:
    """Count one attempt to get a connection, its duration and its failure."""
    started = time.monotonic()
    failed = 1
    try:
        yield
        failed = 0
    finally:
        with _counters.lock:
            _counters.requests += 1
            _counters.failures += failed
            _counters.connect_ms += round((time.monotonic() - started) * 1000)


def released(held_seconds: float) -> None:
    """Count how long a request had its connection, which psycopg's pool does not do for Django."""
    with _counters.lock:
        _counters.held_ms += round(held_seconds * 1000)


def opened(connection: psycopg.Connection[Any]) -> None:
    """Note a connection that this process holds."""
    with _counters.lock:
        _counters.open.add(connection)


def transports() -> dict[str, int]:
    """The open connections of this process by how their bytes travel: tls, clear or socket."""
    found = dict.fromkeys(("tls", "clear", "socket"), 0)
    with _counters.lock:
        held = list(_counters.open)
    for connection in held:
        # It may be closed by its own thread at any moment.
        with suppress(psycopg.Error):
            encrypted = connection.pgconn.ssl_in_use
            over_socket = connection.info.host.startswith("/")
            found["tls" if encrypted else "socket" if over_socket else "clear"] += 1
    return found


def current() -> ConnectionStatistics:
    """The statistics of this process now."""
    pool = getattr(connections[DEFAULT_DB_ALIAS], "_connection_pools", {}).get(DEFAULT_DB_ALIAS)
    # psycopg's pool leaves counts of zero out.
    counted: dict[str, int] = pool.get_stats() if pool else {}
    with _counters.lock:
        held = [connection for connection in _counters.open if not connection.closed]
    busy = sum(c.info.transaction_status is not TransactionStatus.IDLE for c in held)
    size = counted.get("pool_size", 0) if pool else len(held)
    idle = counted.get("pool_available", 0) if pool else len(held) - busy
    expected = settings.DATABASE_POOL_SIZE if pool else settings.WEB_THREADS
    return ConnectionStatistics(
        process=os.getpid(),
        mode=settings.DATABASE_POOL_MODE,
        at=time.time(),
        started_at=_counters.started_at,
        size=size,
        idle=idle,
        active=size - idle,
        overflow=max(0, size - expected),
        waiting=counted.get("requests_waiting", 0),
        requests=_counters.requests,
        waited=counted.get("requests_queued", 0),
        wait_ms=counted.get("requests_wait_ms", 0),
        timeouts=counted.get("requests_errors", 0),
        failures=_counters.failures,
        connect_ms=_counters.connect_ms,
        held_ms=_counters.held_ms,
    )


def publish(folder: Path | None = None) -> Path:
    """Write this process's statistics into the folder, whole or not at all."""
    folder = folder or Path(settings.RUNTIME_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"connections-{os.getpid()}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(current())), encoding="utf-8")
    partial.replace(path)
    return path


def publish_sometimes(**signal: Any) -> None:
    """A receiver of `request_finished`: publishes every few seconds; a full disk stops nothing."""
    now = time.monotonic()
    with _counters.lock:
        if now - _counters.published_at < PUBLISH_EVERY_SECONDS:
            return
        _counters.published_at = now
    with suppress(OSError):
        publish()


def published(folder: Path | None = None) -> list[ConnectionStatistics]:
    """What the processes of this machine published in the last day, by process.

    Files that are older are removed; one that cannot be read is left out.
    """
    found = []
    for path in sorted((folder or Path(settings.RUNTIME_DIR)).glob("connections-*.json")):
        with suppress(OSError, ValueError, TypeError):
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink()
                continue
            found.append(ConnectionStatistics(**json.loads(path.read_text(encoding="utf-8"))))
    return sorted(found, key=lambda statistics: statistics.process)
