"""Why a server was not believed: one sentence that names the cause and what to type.

libpq says "certificate verify failed" of a wrong authority and of an expired certificate alike.
Here the server is looked at again, without a password.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from apps.database.facts.certificate import (
    BrokenTLS,
    Certificate,
    NoTLS,
    is_vouched_for,
    server_certificate,
)
from apps.database.facts.errors import NoAnswer

# Words of libpq, which only decide whether the server is looked at again: an outage must not wait.
_ABOUT_TLS = re.compile(
    r"\bSSL\b(?! SYSCALL| connection has been closed)|\bcertificate\b", re.IGNORECASE
)
_PROVING = ("verify-ca", "verify-full")
_RENEW = "put a new one in place of ssl_cert_file, then: SELECT pg_reload_conf();"


class UnprovenServer(psycopg.OperationalError):
    """The server was left before a password was sent, because it could not prove who it is."""


@contextmanager
def one_line() -> Iterator[None]:
    """End the process with the sentence of an UnprovenServer, as a command would its own."""
    try:
        yield
    except Exception as error:
        # Django's own error has it as its cause.
        unproven = error if isinstance(error, UnprovenServer) else error.__cause__
        if not isinstance(unproven, UnprovenServer):
            raise
        sys.stderr.write(f"The database cannot be reached: {unproven}\n")
        raise SystemExit(1) from None


def explained(error: psycopg.OperationalError, parameters: Mapping[str, Any]) -> Exception:
    """The error itself, or an UnprovenServer that says what was wrong with the server.

    `parameters` are those of the failed attempt to connect, as psycopg takes them.
    """
    host = str(parameters.get("host") or "")
    if not host or host.startswith("/") or not _ABOUT_TLS.search(str(error)):
        return error
    server = _Server(
        (host, int(parameters.get("port") or 5432)),
        str(parameters.get("sslmode") or "prefer"),
        str(parameters.get("sslrootcert") or ""),
        float(parameters.get("connect_timeout") or 3),
    )
    try:
        reason = server.doubt()
    except (NoAnswer, OSError):
        return error
    return UnprovenServer(f"{host}:{server.address[1]}: {reason}") if reason else error


@dataclass(frozen=True)
class _Server:
    """A server that libpq did not believe, and what was wanted of it."""

    address: tuple[str, int]
    mode: str
    authorities: str
    timeout_seconds: float

    def doubt(self) -> str | None:
        """What is wrong with it; None when nothing is, any more."""
        try:
            certificate = server_certificate(self.address, self.timeout_seconds)
        except NoTLS as error:
            return (
                f"{_clause(error)}, and the address demands TLS; no password was sent. Set "
                "ssl = on on the server. If it is on, something on the way answers in its place."
            )
        except BrokenTLS as error:
            return (
                f"{_clause(error)}; no password was sent. Either the server is older than TLSv1.2, "
                "or something on the way answers in its place."
            )
        if self.mode not in _PROVING:
            return None
        if not self.authorities or not is_vouched_for(
            self.address, Path(self.authorities), self.timeout_seconds
        ):
            return (
                f"the certificate comes from the authority {_shown(certificate.issuer)}, which is "
                f"not in sslrootcert={self.authorities}; no password was sent. Get the authority's "
                "certificate from whoever runs the server, and name its file with sslrootcert=FILE."
            )
        return self._doubt_about(certificate)

    def _doubt_about(self, certificate: Certificate) -> str | None:
        now, host = datetime.now(UTC), self.address[0]
        if certificate.not_after < now:
            return (
                f"the certificate expired on {certificate.not_after:%Y-%m-%d}; no password was "
                f"sent. On the server {_RENEW}"
            )
        if certificate.not_before > now:
            return (
                f"the certificate is valid from {certificate.not_before:%Y-%m-%d %H:%M} UTC only; "
                "no password was sent. Set this machine's clock, which says "
                f"{now:%Y-%m-%d %H:%M}, or on the server {_RENEW}"
            )
        if self.mode == "verify-full" and not certificate.fits(host):
            names = ", ".join(_shown(name) for name in certificate.names or (certificate.subject,))
            return (
                f"the certificate is for {names} and not for {_shown(host)}; no password was sent. "
                "Write a host that it names into the address, or have one issued for this host."
            )
        return None


def _clause(error: NoAnswer) -> str:
    """The error's sentence as the beginning of another."""
    sentence = str(error).removesuffix(".")
    return sentence[:1].lower() + sentence[1:]


def _shown(name: str) -> str:
    """A name out of a stranger's certificate, without what could pass for text of ours."""
    return re.sub(r"[^\w .*:@-]", "?", name)[:80]
