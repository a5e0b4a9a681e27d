"""Peers that keep every byte a client sent: a relay before a real server, and impostors of one."""

import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from apps.database.facts.errors import NoAnswer
from apps.database.facts.wire import receive

CLEARTEXT_PASSWORD = b"R" + struct.pack("!ii", 8, 3)
ALERT, HANDSHAKE, APPLICATION_DATA = 21, 22, 23
Behaviour = Callable[["Recording"], None]


class Recording:
    """One client's connection; what is received from it is kept."""

    def __init__(self, connection: socket.socket, sent: bytearray) -> None:
        self.connection = connection
        self.sent = sent

    def receive(self, count: int) -> bytes:
        received = receive(self.connection, count)
        self.sent += received
        return received

    def receive_rest(self) -> None:
        while chunk := self.connection.recv(65536):
            self.sent += chunk

    def answer(self, message: bytes) -> None:
        self.connection.sendall(message)


class Peer:
    """Listens on a port of loopback, behaves as told, and keeps what each client sent."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.sent: list[bytearray] = []
        peer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.settimeout(3)
                sent = bytearray()
                peer.sent.append(sent)
                # A client that hangs up is what most of these tests are about.
                with suppress(OSError, NoAnswer):
                    behaviour(Recording(self.request, sent))

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        # Waits for the handlers too, so that all that was sent is kept.
        self._server.server_close()


def relay_to(port: int) -> Peer:
    """A relay that stands before the server on the port."""

    def relay(client: Recording) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as onward:
            back = threading.Thread(target=_pump, args=(onward, client.connection))
            back.start()
            with suppress(OSError):
                while chunk := client.connection.recv(65536):
                    client.sent += chunk
                    onward.sendall(chunk)
            with suppress(OSError):
                onward.shutdown(socket.SHUT_WR)
            back.join(10)

    return Peer(relay)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def drops_tls(client: Recording) -> None:
    """Answers that it has no TLS, and goes on in clear text to the password."""
    client.receive(8)
    client.answer(b"N")
    client.receive(struct.unpack("!i", client.receive(4))[0] - 4)
    client.answer(CLEARTEXT_PASSWORD)
    client.receive(1)
    client.receive(struct.unpack("!i", client.receive(4))[0] - 4)


def agrees_and_speaks_clear(client: Recording) -> None:
    """Agrees to TLS, and asks for the password in clear text instead of a handshake."""
    client.receive(8)
    client.answer(b"S")
    client.receive(1)
    client.answer(CLEARTEXT_PASSWORD * 100)
    client.receive_rest()


def asks_at_once(client: Recording) -> None:
    """Passes over the request for TLS, and asks for the password."""
    client.receive(8)
    client.answer(CLEARTEXT_PASSWORD)
    client.receive_rest()


def record_types(sent: bytes) -> list[int]:
    """The types of the TLS records that follow a client's request for TLS, up to TLS 1.2."""
    types: list[int] = []
    place = 8
    while place + 5 <= len(sent):
        kind, _, length = struct.unpack("!BHH", sent[place : place + 5])
        types.append(kind)
        place += 5 + length
    return types


def password_messages(sent: bytes) -> list[str]:
    """What a client answered to a request for its password in clear text."""
    place, found = 8, []
    if len(sent) > place:
        place += struct.unpack("!i", sent[place : place + 4])[0]
    while place + 5 <= len(sent):
        kind, length = sent[place : place + 1], struct.unpack("!i", sent[place + 1 : place + 5])[0]
        if kind == b"p":
            found.append(sent[place + 5 : place + length].decode())
        place += 1 + length
    return found
