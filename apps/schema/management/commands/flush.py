"""Django's flush, as the owner role: app may not truncate."""

from typing import Any

from django.core.management.commands import flush

from apps.database.connection import acting_as


class Command(flush.Command):
    def handle(self, **options: Any) -> None:
        with acting_as("owner"):
            super().handle(**options)
