"""The user, with a UUID key from the first migration."""

from django.contrib.auth.models import AbstractUser

from apps.database.keys import UUIDKeyed


class User(UUIDKeyed, AbstractUser):
    """Django's user, keyed by a time-ordered UUID."""

    class Meta(AbstractUser.Meta):
        ordering = ("username",)
