"""Which authorities prove a server, and which one host may be reached without TLS."""

import ipaddress
import re
import ssl
from pathlib import Path

from config.env import BASE_DIR, ConfigurationError, Environment

PRIVATE_SUFFIXES = (".internal", ".local")
# RFC 1918, loopback, RFC 6598 and RFC 4193; Python's own is_private has changed its mind.
PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"),
        *("fc00::/7", "::1/128"),
    )
)


def plaintext_host(env: Environment) -> str | None:
    """The one host that may be reached in clear text, by explicit exception; None without one.

    It must lie in a private network by its name or number: the open Internet is no exception.
    """
    host = env.text("DATABASE_PLAINTEXT_HOST")
    if host is None:
        return None
    if not re.fullmatch(r"[A-Za-z0-9_.:-]+", host) or _has_port(host):
        raise ConfigurationError(
            f"DATABASE_PLAINTEXT_HOST is {host[:80]!r}; expected exactly one host name or IP "
            "address, without a port."
        )
    if not _is_private(host):
        raise ConfigurationError(
            f"DATABASE_PLAINTEXT_HOST is {host[:80]!r}, which may be reached over the Internet; "
            "expected a private IP address, a name without a dot, or one that ends in "
            f"{' or '.join(PRIVATE_SUFFIXES)}. Use TLS: see docs/tls.md."
        )
    return host.lower()


def _is_private(host: str) -> bool:
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        # Resolvers read 0x8080808 as a number too.
        named = bool(re.match(r"[a-z]", host.lower().rpartition(".")[2]))
        return named and ("." not in host or host.lower().endswith(PRIVATE_SUFFIXES))
    return any(number in network for network in PRIVATE_NETWORKS)


def _has_port(host: str) -> bool:
    """Whether something like a port follows; a number of version 6 has more than one colon."""
    return host.count(":") == 1


def root_certificate(given: str | None, mode: str | None, variable: str) -> Path:
    """The file of certificate authorities, checked to hold one.

    `system` is resolved here: the tools of PostgreSQL 15 take the word for a file name, and the
    trust folder compiled into the psycopg wheel does not exist.
    """
    if given not in (None, "system"):
        path = BASE_DIR / str(given)
    elif mode == "verify-full":
        path = _system_bundle(variable)
    else:
        raise ConfigurationError(
            f"{variable}: sslmode={mode or 'prefer'} needs sslrootcert=FILE of a private "
            "authority; with the system's authorities only verify-full proves anything."
        )
    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        # An SSLError is an OSError too, whose strerror is a code of OpenSSL.
        reason = "it holds no certificate in PEM form"
        if not isinstance(error, ssl.SSLError) and error.strerror:
            reason = error.strerror
        raise ConfigurationError(f"{variable}: sslrootcert {str(path)!r}: {reason}.") from None
    return path


def _system_bundle(variable: str) -> Path:
    candidates = (
        "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine
        "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
        "/etc/ssl/cert.pem",  # macOS, BSD
    )
    for candidate in candidates:
        if Path(candidate).is_file():
            return Path(candidate)
    raise ConfigurationError(
        f"{variable}: the system's certificate authorities were not found; "
        "install ca-certificates, or name a file with sslrootcert=FILE."
    )
