"""What a process writes by itself, outside logs and pages: its streams and its last words."""

import io
import sys
from typing import Any, TextIO, cast

from apps.database.redaction import mask_known, redact


class RedactingStream(io.TextIOBase):
    """A text stream that writes what it is given without secrets; all else is the stream's.

    With `by_form` what only looks like a secret is masked too: not in answers, where a hash in
    `dumpdata` or a field named password is what was asked for.
    """

    def __init__(self, stream: TextIO, *, by_form: bool) -> None:
        self.stream = stream
        self._by_form = by_form

    def write(self, text: str) -> int:
        self.stream.write(redact(text) if self._by_form else mask_known(text))
        return len(text)

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()

    def writable(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def redact_streams() -> None:
    """Let nothing that this process prints pass by redaction: tracebacks and warnings too.

    What the interpreter prints of an uncaught exception, in any thread, goes to sys.stderr.
    """
    sys.stdout = cast("TextIO", RedactingStream(sys.stdout, by_form=False))
    sys.stderr = cast("TextIO", RedactingStream(sys.stderr, by_form=True))


def unredacted(stream: Any) -> Any:
    """The stream behind the redaction, for a command whose answer is a secret."""
    return stream.stream if isinstance(stream, RedactingStream) else stream
