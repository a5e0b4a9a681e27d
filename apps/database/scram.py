"""What PostgreSQL keeps of a password, which proves the password and does not tell it."""

import base64
import hashlib
import hmac
import re
import unicodedata

VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)")


def proves(verifier: str | None, password: str) -> bool:
    """Whether a SCRAM verifier, as pg_authid has it, is one of this password (RFC 5803).

    False for anything else that stands there, and for a password that must be spelt otherwise
    first, as RFC 4013 says of rare characters.
    """
    found = VERIFIER.fullmatch(verifier or "")
    if found is None:
        return False
    rounds, salt, _, server_key = found.groups()
    spelt = unicodedata.normalize("NFKC", password).encode()
    salted = hashlib.pbkdf2_hmac("sha256", spelt, base64.b64decode(salt), int(rounds))
    made = hmac.digest(salted, b"Server Key", "sha256")
    return hmac.compare_digest(made, base64.b64decode(server_key))
