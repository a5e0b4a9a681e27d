"""What `dbshell` gives to psql: Django's choice, and the rest of what the address demands."""

from collections.abc import Iterable
from typing import Any

from django.db.backends.postgresql import client

from config.database import TLS_OPTIONS


class DatabaseClient(client.DatabaseClient):
    """psql with the same demands on the server as the ORM's connections."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        arguments, variables = super().settings_to_cmd_args_env(settings_dict, list(parameters))
        options = settings_dict["OPTIONS"]
        demanded = {
            variable: str(options[name])
            for name, variable in TLS_OPTIONS.items()
            if name in options
        }
        return arguments, {**(variables or {}), **demanded} or None
