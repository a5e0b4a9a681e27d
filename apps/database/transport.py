"""Says aloud, at every command, which addresses lead over the network in clear text."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.db import DEFAULT_DB_ALIAS

from config.database import speaks_clear
from config.variables import prefix_of

HINT = "Turn TLS on at the server and remove DATABASE_PLAINTEXT_HOST: see docs/tls.md."


def roles_in_clear() -> list[str]:
    """The roles whose address uses the exception of DATABASE_PLAINTEXT_HOST."""
    entries = {"app": settings.DATABASES[DEFAULT_DB_ALIAS], **settings.DATABASE_ROLES}
    return [
        role
        for role, entry in entries.items()
        if str(entry["HOST"]).lower() == settings.DATABASE_PLAINTEXT_HOST and speaks_clear(entry)
    ]


def check_plaintext(app_configs: Any = None, **options: Any) -> list[checks.CheckMessage]:
    """One warning while the exception is used, whatever the command."""
    roles = roles_in_clear()
    if not roles:
        return []
    addresses = ", ".join(f"{prefix_of(role)}_URL" for role in roles)
    return [
        checks.Warning(
            f"{addresses} may lead to {settings.DATABASE_PLAINTEXT_HOST} in clear text, because "
            "DATABASE_PLAINTEXT_HOST excepts it. Whoever is on that network reads every row.",
            hint=HINT,
            id="database.W001",
        )
    ]
