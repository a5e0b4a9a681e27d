"""A real Chromium, driven through chromedriver's own HTTP interface (W3C WebDriver)."""

import base64
import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.database.server import free_port
from tests.programs import require_program

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TAB = "\ue004"


@dataclass
class Browser:
    """One session of a browser."""

    session: str

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return call(method, f"{self.session}{path}", body)

    def open(self, address: str) -> None:
        self._call("POST", "/url", {"url": address})

    def run(self, script: str, *arguments: Any) -> Any:
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def press(self, key: str) -> None:
        actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self._call("POST", "/actions", {"actions": [keyboard]})

    def console_errors(self) -> list[str]:
        entries = self._call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def command(self, name: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol."""
        return self._call("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def prefer(self, scheme: str) -> None:
        """Ask for light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path: Path) -> None:
        """The whole page as a PNG."""
        shot = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


def call(method: str, address: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()[:500]) from None


@contextmanager
def browser(width: int, height: int = 900) -> Iterator[Browser]:
    """A headless browser whose page is this wide, as a phone below 500 pixels."""
    require_program("chromium", "chromium")
    driver = require_program("chromedriver", "chromium-driver")
    port = free_port()
    process = subprocess.Popen(
        [driver, f"--port={port}", "--log-level=OFF"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            root = f"http://127.0.0.1:{port}"
            _wait(root)
            arguments = [*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"]
            options: dict[str, Any] = {"args": arguments}
            if width < 500:
                metrics = {"width": width, "height": height, "pixelRatio": 2}
                options["mobileEmulation"] = {"deviceMetrics": metrics}
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            made = call("POST", f"{root}/session", {"capabilities": {"alwaysMatch": wanted}})
            session = f"{root}/session/{made['sessionId']}"
            try:
                yield Browser(session)
            finally:
                call("DELETE", session)
    finally:
        process.terminate()
        process.wait()


def _wait(root: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            if call("GET", f"{root}/status")["ready"]:
                return
        except (OSError, AssertionError):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)
