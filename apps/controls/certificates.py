"""Certificates for scratch servers, made with the openssl program of the operating system."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ServerCertificate:
    """A private authority and the certificate that it gave to `localhost`."""

    authority: Path
    certificate: Path
    key: Path


def openssl_is_there() -> bool:
    return shutil.which("openssl") is not None


def make_certificate(folder: Path, days: int = 7) -> ServerCertificate:
    """An authority of its own, and a certificate for localhost and 127.0.0.1 from it."""
    authority, authority_key = folder / "authority.crt", folder / "authority.key"
    certificate, key, request = folder / "server.crt", folder / "server.key", folder / "server.csr"
    _openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", str(days), "-subj", "/CN=scratch authority",
        "-keyout", str(authority_key), "-out", str(authority),
    )  # fmt: skip
    _openssl(
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        "-keyout", str(key), "-out", str(request),
    )  # fmt: skip
    _openssl(
        "x509", "-req", "-in", str(request), "-CA", str(authority), "-CAkey", str(authority_key),
        "-CAcreateserial", "-copy_extensions", "copy", "-days", str(days), "-out", str(certificate),
    )  # fmt: skip
    key.chmod(0o600)
    authority_key.unlink()
    return ServerCertificate(authority, certificate, key)


def _openssl(*arguments: str) -> None:
    subprocess.run(  # an argument list without user input
        [shutil.which("openssl") or "openssl", *arguments],
        check=True,
        capture_output=True,
        timeout=60,
    )
