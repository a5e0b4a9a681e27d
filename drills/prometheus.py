"""A real Prometheus on loopback, with the project's rules in a hurry."""

import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from apps.database.server import free_port
from config.env import BASE_DIR
from tests.programs import require_program

RULES = BASE_DIR / "ops" / "prometheus" / "alerts.yml"
# A range must hold several scrapes, and a drill cannot wait for ten minutes.
RANGE, PATIENCE = "15s", "1s"
ALERT_SECONDS = 60.0


@dataclass
class Prometheus:
    """The running server."""

    port: int
    log: Path

    def api(self, path: str, **query: str) -> Any:
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]

    def firing(self) -> set[str]:
        """The names of the alerts that fire now."""
        return {
            alert["labels"]["alertname"]
            for alert in self.api("alerts")["alerts"]
            if alert["state"] == "firing"
        }

    def wait_for(self, expected: set[str]) -> dict[str, float]:
        """Seconds until each of the alerts fired, from now."""
        started, seen = time.monotonic(), dict[str, float]()
        while not expected <= seen.keys():
            passed = time.monotonic() - started
            for name in self.firing() - seen.keys():
                seen[name] = passed
            missing = expected - seen.keys()
            assert passed < ALERT_SECONDS, f"{missing} did not fire; {sorted(seen)} did"
            time.sleep(0.2)
        return {name: seen[name] for name in expected}

    def wait_until_quiet(self, names: set[str]) -> None:
        deadline = time.monotonic() + ALERT_SECONDS
        while names & self.firing():
            assert time.monotonic() < deadline, f"{names & self.firing()} still fires"
            time.sleep(0.2)

    def value(self, query: str) -> float:
        """The one value that the query has now; 0 while there is none."""
        found = self.api("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else 0.0


def hurried(rules: str) -> str:
    """The rules with short ranges and little patience; limits that are moments stay."""
    return re.sub(r"for: \w+", f"for: {PATIENCE}", re.sub(r"\[\d+[mhd]\]", f"[{RANGE}]", rules))


@contextmanager
def prometheus(folder: Path, targets: list[str]) -> Iterator[Prometheus]:
    """Scrapes the targets as the job holdfast every second."""
    program = require_program("prometheus", "prometheus")
    folder.mkdir()
    port = free_port()
    (folder / "alerts.yml").write_text(hurried(RULES.read_text()))
    jobs = [{"job_name": "holdfast", "static_configs": [{"targets": targets}]}]
    times = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    configuration = {"global": times, "rule_files": ["alerts.yml"], "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    log = folder / "prometheus.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    made = Prometheus(port, log)
    try:
        deadline = time.monotonic() + 30
        while not _ready(made):
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.1)
        yield made
    finally:
        process.terminate()
        process.wait(timeout=30)


def _ready(made: Prometheus) -> bool:
    try:
        return any(target["health"] == "up" for target in made.api("targets")["activeTargets"])
    except OSError:
        return False
