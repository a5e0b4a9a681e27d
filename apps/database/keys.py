"""The primary key of every table: a time-ordered UUID."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.constants import OnConflict
from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> UUID:
    """A new version 7 UUID of the standard library's type (RFC 9562)."""
    return _uuid7()


class UUIDKeyed(models.Model):
    """A row whose key Python makes; PostgreSQL makes one for rows that SQL inserts.

    Should a key that was made here be taken, which is next to impossible, the row is inserted
    once more with a new one. A key that the caller chose is never changed: then a conflict is an
    error. Neither overwrites what is there.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)

    class Meta:
        abstract = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = args or kwargs.keys() & {"id", "pk"}
        self._made_key = None if chosen else self.id

    def _do_insert(self, manager: Any, using: str, fields: Any, returning: Any, raw: bool) -> Any:
        """Django's insert of one row; without an error when the key that was made is taken.

        Silence about a conflict costs nothing, where a savepoint would cost two questions. If it
        was about another key than this one, the second insert says so.
        """
        insert = partial(manager._insert, fields=fields, returning_fields=returning, using=using)
        if raw or self._made_key is None or self.id != self._made_key or self._meta.parents:
            return insert([self], raw=raw)
        rows = insert([self], raw=raw, on_conflict=OnConflict.IGNORE)
        if rows and rows[0] is not None:
            return rows
        self.id = self._made_key = uuid7()
        return insert([self], raw=raw)
