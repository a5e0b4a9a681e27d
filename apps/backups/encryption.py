"""Encrypts and decrypts streams with age; making a backup needs the public keys only."""

import io
from collections.abc import Sequence
from functools import partial
from typing import IO

import pyrage
from django.conf import settings

from apps.backups.streams import Transformed

HEADER = b"age-encryption.org/v1"


class KeyProblem(Exception):
    """A key is missing or wrong; the message is one sentence and shows no secret."""


def encrypted(source: IO[bytes], recipients: Sequence[str]) -> io.RawIOBase:
    """The source, encrypted to the public keys."""
    keys = [_recipient(text) for text in recipients]
    return Transformed(partial(_encrypt, keys), source)


def decrypted(source: IO[bytes], backup_name: str) -> io.RawIOBase:
    """The source, decrypted with the identity of the environment. Raises KeyProblem."""
    return Transformed(partial(_decrypt, _identities(), backup_name), source)


def _encrypt(keys: list[pyrage.x25519.Recipient], reader: IO[bytes], writer: IO[bytes]) -> None:
    pyrage.encrypt_io(reader, writer, keys)


def _decrypt(
    keys: list[pyrage.x25519.Identity], backup_name: str, reader: IO[bytes], writer: IO[bytes]
) -> None:
    try:
        pyrage.decrypt_io(reader, writer, keys)
    except pyrage.DecryptError:
        raise KeyProblem(
            f"{backup_name} is not encrypted to the key of BACKUP_AGE_IDENTITY; expected the "
            "secret key of one of the recipients in its sidecar."
        ) from None
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise KeyProblem(
            f"{backup_name} cannot be decrypted to its end; it was changed or cut short."
        ) from None


def _recipient(text: str) -> pyrage.x25519.Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise KeyProblem(
            f"BACKUP_AGE_RECIPIENTS holds {text[:20]!r}…, which is no age key; expected what "
            "`age-keygen` prints as its public key."
        ) from None


def _identities() -> list[pyrage.x25519.Identity]:
    lines = (settings.BACKUP_AGE_IDENTITY or "").splitlines()
    texts = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not texts:
        raise KeyProblem(
            "BACKUP_AGE_IDENTITY is not set, and the backup is encrypted; expected the secret "
            "key, or its file in BACKUP_AGE_IDENTITY_FILE."
        )
    try:
        return [pyrage.x25519.Identity.from_str(text) for text in texts]
    except pyrage.IdentityError:
        raise KeyProblem("BACKUP_AGE_IDENTITY is no age key; expected AGE-SECRET-KEY-1…") from None
