"""Streams between pg_dump and a storage: read once, forwards, never whole in memory or on disk."""

import gzip
import hashlib
import io
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO, Any

import zstandard

CHUNK_BYTES = 1 << 20
# Level 3 takes a third to two thirds more time for files 3 % smaller: docs/decisions/0009.
ZSTD_LEVEL = 1
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
GZIP_MAGIC = b"\x1f\x8b"
GZIP_LEVEL = 6

Transform = Callable[[IO[bytes], IO[bytes]], None]


class Forward(io.RawIOBase):
    """A stream that can be read once; a subclass has `take`."""

    def readable(self) -> bool:
        return True

    def take(self, size: int) -> bytes:
        """So many bytes at most, and none at the end only."""
        raise NotImplementedError

    def read(self, size: int = -1) -> bytes:
        if size is not None and size >= 0:
            return self.take(size)
        return b"".join(iter(lambda: self.take(CHUNK_BYTES), b""))

    def readinto(self, buffer: Any) -> int:
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


class Measured(Forward):
    """What a storage is given to save: counts the bytes and digests them on the way."""

    def __init__(self, source: Any, progress: Callable[[int], None] | None = None) -> None:
        super().__init__()
        self.source, self.progress = source, progress
        self.bytes = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def take(self, size: int) -> bytes:
        # A bucket takes what is shorter than a part for the end.
        chunk = _exactly(self.source, size)
        self.bytes += len(chunk)
        self._digest.update(chunk)
        if self.progress is not None:
            self.progress(self.bytes)
        return chunk

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """As Django's File has it."""
        while chunk := self.read(chunk_size or CHUNK_BYTES):
            yield chunk


class Peeked(Forward):
    """A stream whose first bytes were looked at."""

    def __init__(self, source: Any, length: int) -> None:
        super().__init__()
        self.source = source
        self.head = _exactly(source, length)
        self._rest = self.head

    def take(self, size: int) -> bytes:
        if self._rest:
            chunk, self._rest = self._rest[:size], self._rest[size:]
            return chunk
        return bytes(self.source.read(size))

    def close(self) -> None:
        self.source.close()
        super().close()


class Watched(Forward):
    """Remembers why its source failed, which another language's library would not tell."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.source = source
        self.error: BaseException | None = None

    def take(self, size: int) -> bytes:
        try:
            return bytes(self.source.read(size))
        except BaseException as error:
            self.error = error
            raise


class Transformed(Forward):
    """What a function writes that reads the source: it works in a thread, through a pipe."""

    def __init__(self, transform: Transform, source: Any) -> None:
        super().__init__()
        read_end, write_end = os.pipe()
        self._reader = io.FileIO(read_end, "rb")
        self._source = source
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._work, args=(transform, write_end), name="holdfast-stream", daemon=True
        )
        self._thread.start()

    def _work(self, transform: Transform, write_end: int) -> None:
        source = Watched(self._source)
        try:
            with io.BufferedWriter(io.FileIO(write_end, "wb"), CHUNK_BYTES // 4) as writer:
                transform(io.BufferedReader(source, CHUNK_BYTES // 4), writer)
        except BaseException as error:  # raised again in the reader's thread
            self._error = source.error or error

    def take(self, size: int) -> bytes:
        chunk = self._reader.read(size) or b""
        if not chunk and size:
            self._thread.join()
            if self._error is not None:
                raise self._error
        return chunk

    def close(self) -> None:
        """End the thread; it may be waiting for the source, which closes first where it can."""
        if not self.closed:
            self._reader.close()
            self._thread.join()
            with suppress(OSError, ValueError):
                self._source.close()
        super().close()


class Gzipped(Forward):
    """The source as gzip has it."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.source = source
        self._packer = zlib.compressobj(GZIP_LEVEL, wbits=31)
        self._ready = b""
        self._ended = False

    def take(self, size: int) -> bytes:
        while not self._ready and not self._ended:
            chunk = self.source.read(CHUNK_BYTES)
            self._ended = not chunk
            self._ready = self._packer.compress(chunk) if chunk else self._packer.flush()
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken


def zstd_compressed(source: Any) -> Any:
    """The source, compressed as it is read: pg_dump and its session are at work meanwhile."""
    packer = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
    return packer.stream_reader(source, read_size=CHUNK_BYTES // 4, closefd=False)


def decompressed(source: Any) -> Any:
    """The plain dump that a stream holds: zstd and gzip are told by their first bytes."""
    peeked: Any = Peeked(source, len(ZSTD_MAGIC))
    if peeked.head == ZSTD_MAGIC:
        unpacker = zstandard.ZstdDecompressor()
        return unpacker.stream_reader(peeked, read_size=CHUNK_BYTES, read_across_frames=True)
    if peeked.head.startswith(GZIP_MAGIC):
        return gzip.GzipFile(fileobj=peeked, mode="rb")
    return peeked


def _exactly(source: Any, length: int) -> bytes:
    """So many bytes, fewer at the end only."""
    found = bytearray()
    while len(found) < length and (chunk := source.read(length - len(found))):
        found += chunk
    return bytes(found)
