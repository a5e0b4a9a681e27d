"""Secrets from a variable or its file, and whom monitoring lets in: tokens and addresses."""

import ipaddress
import re

from config.env import BASE_DIR, ConfigurationError, Environment, read_text

SHORTEST_TOKEN = 16
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def secret_text(env: Environment, name: str) -> str | None:
    """A secret from its variable, or from the file that its other variable names."""
    file = env.text(f"{name}_FILE")
    if file and env.is_set(name):
        raise ConfigurationError(f"{name} and {name}_FILE are both set; expected one.")
    if file:
        return read_text(BASE_DIR / file, f"{name}_FILE").strip()
    return env.text(name)


def token(env: Environment, name: str) -> str | None:
    """A token that programs show in a header, so of characters that a header can hold."""
    found = secret_text(env, name)
    if found is None:
        return None
    if len(found) < SHORTEST_TOKEN or not re.fullmatch(r"[!-~]+", found):
        raise ConfigurationError(
            f"{name} has {len(found)} characters; expected at least {SHORTEST_TOKEN} letters, "
            "digits and signs without spaces. Generate one: "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return found


def networks(env: Environment, name: str) -> list[Network]:
    """IP addresses and networks, such as 10.0.0.0/8."""
    found = []
    for item in env.listing(name):
        try:
            found.append(ipaddress.ip_network(item))
        except ValueError:
            raise ConfigurationError(
                f"{name} holds {item[:80]!r}; expected IP addresses and networks such as "
                "10.0.0.0/8, separated by commas."
            ) from None
    return found
