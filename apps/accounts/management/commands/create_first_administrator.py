"""Makes one administrator where there is none."""

import secrets
from typing import Any

from django.core.management.base import BaseCommand

from apps.accounts.models import User

NAME = "admin"


class Command(BaseCommand):
    help = "Makes one administrator with a random password, printed once, where there is none."

    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.filter(is_superuser=True).exists():
            self.stdout.write("There is an administrator already; nothing was changed.")
            return
        password = secrets.token_urlsafe(15)
        User.objects.create_superuser(NAME, password=password)
        self.stdout.write(f"Administrator {NAME!r}, password {password} (shown this once)")
