"""The primary key of every table: a time-ordered UUID."""

from uuid import UUID

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> UUID:
    """A new version 7 UUID of the standard library's type (RFC 9562)."""
    return _uuid7()


class UUIDKeyed(models.Model):
    """A row whose key Python makes; PostgreSQL makes one for rows that SQL inserts."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)

    class Meta:
        abstract = True
