"""Whether a server would talk in clear text: asked with the protocol's first message only.

libpq keeps the SQLSTATE of a refused connection to itself, and would answer a request for a
password; this sends a user's and a database's name and nothing more.
Source: PostgreSQL documentation, Frontend/Backend Protocol, Start-up.
"""

import socket
import struct

from apps.database.facts.errors import NoAnswer
from apps.database.facts.wire import address_of, receive
from config.database import DatabaseEntry

PROTOCOL_3 = 196608
LONGEST_ANSWER = 8192


def plaintext_refusal(entry: DatabaseEntry, timeout_seconds: float = 3.0) -> str | None:
    """The SQLSTATE that refused the attempt, or None when the server went on in clear text.

    Raises NoAnswer when the server cannot be reached or says something else.
    """
    try:
        with socket.create_connection(address_of(entry), timeout=timeout_seconds) as connection:
            connection.sendall(_startup_message(str(entry["USER"]), str(entry["NAME"])))
            kind, body = _first_message(connection)
    except OSError as error:
        raise NoAnswer(f"No answer to a plaintext attempt: {error.strerror or error}.") from error
    if kind == b"R":
        return None
    if kind == b"E":
        return _sqlstate(body)
    raise NoAnswer(f"The server answered a plaintext attempt with {kind!r}.")


def _startup_message(user: str, database: str) -> bytes:
    fields = ["user", user, "database", database, "application_name", "holdfast-plaintext-attempt"]
    body = b"".join(field.encode() + b"\x00" for field in fields) + b"\x00"
    return struct.pack("!ii", len(body) + 8, PROTOCOL_3) + body


def _first_message(connection: socket.socket) -> tuple[bytes, bytes]:
    head = receive(connection, 5)
    kind, length = head[:1], struct.unpack("!i", head[1:])[0]
    if not 4 <= length <= LONGEST_ANSWER:
        raise NoAnswer("The server's answer to a plaintext attempt is not PostgreSQL's.")
    return kind, receive(connection, length - 4)


def _sqlstate(body: bytes) -> str:
    """The field `C` of an ErrorResponse: each field is a letter and text that ends with NUL."""
    fields = {field[:1]: field[1:] for field in body.split(b"\x00") if field}
    return fields.get(b"C", b"").decode("ascii", "replace")
