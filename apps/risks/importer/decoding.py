"""From a path to text: what is no text, or too much of it, is refused with one sentence."""

import codecs
import hashlib
import stat
from dataclasses import dataclass
from pathlib import Path

LIMIT_BYTES = 5_000_000

# The mark of UTF-32 (little endian) begins with the mark of UTF-16, so it is tried first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class UnreadableProfile(Exception):
    """The file cannot be read as a profile; `line` counts from 1, None where there is none."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"Line {line}: {reason}")
        self.reason = reason
        self.line = line


@dataclass(frozen=True)
class Source:
    """The text of a file, its lines ended by a newline alone, and the digest of its bytes."""

    text: str
    sha256: str


def read_source(path: Path, limit_bytes: int = LIMIT_BYTES) -> Source:
    """The text of the file at `path`; raises UnreadableProfile."""
    content = _read_bytes(path, limit_bytes)
    return Source(decode(content), hashlib.sha256(content).hexdigest())


def decode(content: bytes) -> str:
    """The text of a document's bytes; raises UnreadableProfile."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(content, encoding, error) from None
    position = text.find("\0")
    if position >= 0:
        raise UnreadableProfile(
            "a NUL byte stands here, so the file is not text; "
            "expected Markdown in UTF-8, or in UTF-16 with a byte-order mark.",
            text.count("\n", 0, position) + 1,
        )
    if not text.strip():
        raise UnreadableProfile("The file is empty; expected a risk profile in Markdown.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _undecodable(content: bytes, encoding: str, error: UnicodeDecodeError) -> UnreadableProfile:
    before = content[: error.start].decode(encoding, errors="ignore")
    name = encoding.removesuffix("-sig").upper()
    found = content[error.start : error.start + 1].hex().upper()
    return UnreadableProfile(
        f"the byte 0x{found} is not valid {name}; "
        "expected Markdown in UTF-8, or in UTF-16 with a byte-order mark.",
        before.count("\n") + 1,
    )


def _read_bytes(path: Path, limit_bytes: int) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableProfile("The path is a folder; expected one Markdown file.")
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableProfile("The path is no regular file; expected one Markdown file.")
        if status.st_size <= limit_bytes:
            with path.open("rb") as stream:
                content = stream.read(limit_bytes + 1)
            if len(content) <= limit_bytes:
                return content
    except FileNotFoundError:
        raise UnreadableProfile(
            "There is no such file; expected the path of a Markdown file."
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UnreadableProfile(
            f"The file cannot be opened ({reason}); expected a readable Markdown file."
        ) from None
    size = max(status.st_size, limit_bytes + 1)
    raise UnreadableProfile(
        f"The file has {size:,} bytes; expected a risk profile of at most {limit_bytes:,} bytes."
    )
