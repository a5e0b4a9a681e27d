"""The first bytes of PostgreSQL's protocol, as far as questions without a password need them.

Source: PostgreSQL documentation, Frontend/Backend Protocol, SSL Session Encryption.
"""

import socket
import struct

from apps.database.facts.errors import NoAnswer
from config.database import DatabaseEntry

SSL_REQUEST = struct.pack("!ii", 8, 80877103)


def address_of(entry: DatabaseEntry) -> tuple[str, int]:
    """Host and port that the entry's network address leads to."""
    return str(entry["HOST"]) or "localhost", int(entry["PORT"] or 5432)


def receive(connection: socket.socket, count: int) -> bytes:
    """So many bytes. Raises NoAnswer when the other side hangs up before."""
    received = b""
    while len(received) < count:
        chunk = connection.recv(count - len(received))
        if not chunk:
            raise NoAnswer("The server hung up without a word.")
        received += chunk
    return received
