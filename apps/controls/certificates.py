"""Certificates for scratch servers, made with the openssl program of the operating system."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

HERE = ("DNS:localhost", "IP:127.0.0.1")
VALID_DAYS = 90
# What `openssl ca` wants to know; `req -x509` and `x509 -req` cannot make an expired certificate.
_CONFIGURATION = """
[ca]
default_ca = scratch
[scratch]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
policy = any
default_md = sha256
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
"""
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class ServerCertificate:
    """A private authority's certificate, and the certificate and key that it gave to a server."""

    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """A private authority: its certificate, and the key that signs with it."""

    certificate: Path
    key: Path

    def issue(
        self,
        folder: Path,
        days: int = VALID_DAYS,
        names: Sequence[str] = HERE,
        subject: str = "",
        begins: int = -30,
    ) -> ServerCertificate:
        """A certificate for a server, in the folder, valid between two numbers of days from now.

        `names` are written as openssl wants them, such as `DNS:localhost`; the subject is the
        first of them unless it is given, and must be where there are none.
        """
        certificate, key = folder / "server.crt", folder / "server.key"
        common_name = subject or names[0].partition(":")[2]
        begin = datetime.now(UTC) + timedelta(days=begins)
        # An hour more, so that so many whole days are left.
        end = datetime.now(UTC) + timedelta(days=days, hours=1)
        with tempfile.TemporaryDirectory(dir=folder) as made:
            request, configuration = Path(made) / "server.csr", Path(made) / "ca.cnf"
            configuration.write_text(_CONFIGURATION.format(folder=made))
            (Path(made) / "index.txt").touch()
            _openssl(
                "req", "-new", *_KEY, "-subj", f"/CN={common_name}",
                *(("-addext", f"subjectAltName={','.join(names)}") if names else ()),
                "-keyout", str(key), "-out", str(request),
            )  # fmt: skip
            _openssl(
                "ca", "-batch", "-notext", "-config", str(configuration),
                "-cert", str(self.certificate), "-keyfile", str(self.key),
                "-startdate", f"{begin:%Y%m%d%H%M%SZ}", "-enddate", f"{end:%Y%m%d%H%M%SZ}",
                "-in", str(request), "-out", str(certificate),
            )  # fmt: skip
        key.chmod(0o600)
        return ServerCertificate(self.certificate, certificate, key)


def openssl_is_there() -> bool:
    return shutil.which("openssl") is not None


def make_authority(folder: Path, name: str = "scratch authority") -> Authority:
    """An authority of its own, in the folder."""
    certificate, key = folder / "authority.crt", folder / "authority.key"
    _openssl(
        "req", "-x509", *_KEY, "-days", str(VALID_DAYS), "-subj", f"/CN={name}",
        "-keyout", str(key), "-out", str(certificate),
    )  # fmt: skip
    key.chmod(0o600)
    return Authority(certificate, key)


def make_certificate(folder: Path, days: int = VALID_DAYS) -> ServerCertificate:
    """A certificate for localhost and 127.0.0.1, from an authority that issues no second one."""
    authority = make_authority(folder)
    made = authority.issue(folder, days)
    authority.key.unlink()
    return made


def _openssl(*arguments: str) -> None:
    subprocess.run(  # an argument list without user input
        [shutil.which("openssl") or "openssl", *arguments],
        check=True,
        capture_output=True,
        timeout=60,
    )
