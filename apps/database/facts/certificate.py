"""The certificate that a server shows, read with a handshake and without a password.

libpq verifies a certificate and shows it to nobody. Here the server is asked for TLS, the handshake
is made, and nothing follows it.
"""

import ipaddress
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apps.database.facts.errors import NoAnswer
from apps.database.facts.wire import SSL_REQUEST, receive

# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name.
ANY_TIME = 0x200000


class NoTLS(NoAnswer):
    """The server answers, and speaks no TLS."""


class BrokenTLS(NoAnswer):
    """The server agreed to TLS, and the handshake came to nothing."""


@dataclass(frozen=True)
class Certificate:
    """What a server shows of itself, and the encryption that came with it."""

    version: str
    cipher: str
    bits: int
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime

    def days_left(self, now: datetime) -> int:
        """Whole days until it expires; negative when it has."""
        return (self.not_after - now).days

    def fits(self, host: str) -> bool:
        """Whether libpq takes it for the host's with verify-full.

        A name of the host counts; an asterisk stands for the first label only. The subject counts
        only where no name is of the host's kind, a number or a word.
        """
        of_its_kind = any(_is_number(name) == _is_number(host) for name in self.names)
        return any(
            _is_name_of(name, host)
            for name in (self.names if of_its_kind else (*self.names, self.subject))
        )


def server_certificate(address: tuple[str, int], timeout_seconds: float = 3.0) -> Certificate:
    """The certificate of the server at host and port, whether or not anybody vouches for it.

    Raises NoTLS or BrokenTLS when it does not speak it, NoAnswer when it cannot be reached.
    """
    unproven = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unproven.check_hostname = False
    unproven.verify_mode = ssl.CERT_NONE
    shown = _handshake(address, unproven, timeout_seconds)[0]
    # Python takes apart only what was verified: what the server showed vouches for itself.
    itself = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    itself.check_hostname = False
    itself.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(ANY_TIME)
    itself.load_verify_locations(cadata=shown)
    try:
        _, fields, (cipher, _, bits), version = _handshake(address, itself, timeout_seconds)
    except ssl.SSLCertVerificationError as error:
        raise NoAnswer(f"The certificate cannot be read: {error.verify_message}.") from error
    return Certificate(
        version=version,
        cipher=cipher,
        bits=bits,
        subject=_common_name(fields["subject"]),
        issuer=_common_name(fields["issuer"]),
        names=tuple(v for kind, v in fields.get("subjectAltName", ()) if kind in _HOST_NAMES),
        not_before=_time(fields["notBefore"]),
        not_after=_time(fields["notAfter"]),
    )


_HOST_NAMES = ("DNS", "IP Address")


def is_vouched_for(
    address: tuple[str, int], authorities: Path, timeout_seconds: float = 3.0
) -> bool:
    """Whether an authority of the file vouches for the server's certificate, whatever its dates."""
    proving = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    proving.check_hostname = False
    proving.verify_flags |= ssl.VerifyFlags(ANY_TIME)
    proving.load_verify_locations(cafile=str(authorities))
    try:
        _handshake(address, proving, timeout_seconds)
    except ssl.SSLCertVerificationError:
        return False
    return True


def _handshake(
    address: tuple[str, int], context: ssl.SSLContext, timeout_seconds: float
) -> tuple[bytes, dict[str, Any], tuple[str, str, int], str]:
    """Certificate in DER form, its fields where verified, cipher and version."""
    try:
        with socket.create_connection(address, timeout=timeout_seconds) as connection:
            connection.sendall(SSL_REQUEST)
            answer = receive(connection, 1)
            if answer == b"N":
                raise NoTLS("The server speaks no TLS.")
            if answer != b"S":
                raise NoTLS(f"The server answered the request for TLS with {answer!a}.")
            with context.wrap_socket(connection, server_hostname=address[0]) as secured:
                seen = (
                    secured.getpeercert(binary_form=True) or b"",
                    dict(secured.getpeercert() or {}),
                    secured.cipher() or ("", "", 0),
                    secured.version() or "",
                )
                # A polite end, of which the server's log has nothing to say.
                with suppress(OSError):
                    secured.unwrap()
                return seen
    except ssl.SSLCertVerificationError:
        raise
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        raise BrokenTLS(f"The server agreed to TLS, and the handshake failed: {reason}.") from error
    except OSError as error:
        raise NoAnswer(f"The server does not answer: {error.strerror or error}.") from error


def _common_name(name: Any) -> str:
    """The common name, or the last part where there is none."""
    parts = {kind: value for group in name for kind, value in group}
    return str(parts.get("commonName") or next(reversed(parts.values()), ""))


def _time(text: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_name_of(name: str, host: str) -> bool:
    if _is_number(name) and _is_number(host):
        return ipaddress.ip_address(name) == ipaddress.ip_address(host)
    name, host = name.lower(), host.lower()
    if name.startswith("*."):
        return "." in host and host.partition(".")[2] == name[2:]
    return name == host
