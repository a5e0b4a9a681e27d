"""Starts the project's web application in a process of its own, and asks it for its probes."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from apps.controls.control import CannotSee
from config.env import BASE_DIR

TIMEOUT_SECONDS = 40
# Through the whole application with its middleware, as a request would come; no port is opened.
_SCRIPT = """
import json, sys
from wsgiref.util import setup_testing_defaults
from config.wsgi import application
from django.conf import settings
host = next((h.lstrip(".") for h in settings.ALLOWED_HOSTS if h.strip(".*")), "localhost")
answers = []
for path, accept in json.load(sys.stdin):
    said = {}
    def start(status, headers, exc_info=None):
        said.update(status=int(status.split()[0]), headers=dict(headers))
        return lambda text: None
    asked = {"HTTP_HOST": host, "PATH_INFO": path, "HTTP_ACCEPT": accept, "wsgi.url_scheme": "http"}
    setup_testing_defaults(asked)
    body = application(asked, start)
    said["body"] = b"".join(body).decode(errors="replace")
    getattr(body, "close", lambda: None)()
    answers.append(said)
print("\\n" + json.dumps(answers))
"""


@dataclass(frozen=True)
class Answer:
    """What the application said to one request."""

    path: str
    accept: str
    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def told(self) -> str:
        """Everything that whoever asked can read."""
        return "\n".join([*(f"{name}: {value}" for name, value in self.headers.items()), self.body])


class Service:
    """A started web application; a context manager, at whose end its process is gone.

    Two that are entered together start at the same time.
    """

    def __init__(self, requests: Sequence[tuple[str, str]], **variables: str) -> None:
        """Ask for each path with its `Accept`; the variables go before those of this process."""
        self._requests = requests
        # What it counts of itself must not be taken for what users met.
        self._runtime = tempfile.TemporaryDirectory(prefix="holdfast-probe-")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT],
            cwd=BASE_DIR,
            env={**os.environ, "RUNTIME_DIR": self._runtime.name, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        self._runtime.cleanup()

    def answers(self) -> list[Answer]:
        """Raises CannotSee when the application does not start or does not answer."""
        try:
            out, err = self._process.communicate(json.dumps(self._requests), TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            raise CannotSee(f"The service did not answer within {TIMEOUT_SECONDS} s.") from None
        if self._process.returncode:
            said = (err.strip().splitlines() or ["no reason given"])[-1]
            raise CannotSee(f"The service does not start here: {said}")
        return [
            Answer(path, accept, said["status"], said["headers"], said["body"])
            for (path, accept), said in zip(
                self._requests, json.loads(out.splitlines()[-1]), strict=True
            )
        ]
