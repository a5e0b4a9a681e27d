"""The N−1 probe: models as they were before a migration read and write the schema after it.

While a deploy rolls, and after a rollback of the code alone, the old code meets the new schema. The
evidence is the database's own error. What fails on the old schema too is the probe's own fault.
"""

import datetime
import decimal
import secrets
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from django.contrib.postgres.fields import ArrayField, HStoreField
from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Model

AnyField: TypeAlias = "Field[Any, Any]"
DEPTH = 4


@dataclass(frozen=True)
class OldCode:
    """One operation of the old models that the new schema refuses."""

    model: str
    operation: str
    error: str
    # Which of several attempts at the same operation it was.
    shape: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.model, self.operation, self.shape


class _Undo(Exception):
    """Ends the probe's transaction, which is never to be kept."""


def probe(connection: BaseDatabaseWrapper, models_before: Iterable[type[Model]]) -> list[OldCode]:
    """Select, insert, update and delete with each model; everything is rolled back."""
    found: list[OldCode] = []
    for model in models_before:
        with _undone(connection):
            found += _probe_one(connection, model)
    return found


@contextmanager
def _undone(connection: BaseDatabaseWrapper) -> Iterator[None]:
    try:
        with transaction.atomic(using=connection.alias):
            yield
            raise _Undo  # noqa: TRY301  # the block's own way to roll back
    except _Undo:
        return


def _probe_one(connection: BaseDatabaseWrapper, model: type[Model]) -> Iterator[OldCode]:
    rows = model._base_manager.using(connection.alias)
    label = str(model._meta.object_name)
    error = _attempt(connection, lambda: list(rows.order_by()[:1]))
    if error:
        yield OldCode(label, "select", error)
    inserted: list[Model] = []
    for full in (False, True):
        error = _attempt(connection, partial(_insert_into, inserted, rows, full=full))
        if error:
            yield OldCode(label, "insert", error, "full" if full else "sparse")
    target = (inserted or _first(connection, rows))[-1:]
    for one in target:
        error = _attempt(connection, partial(one.save, using=connection.alias))
        if error:
            yield OldCode(label, "update", error)
        error = _attempt(connection, partial(one.delete, using=connection.alias))
        if error:
            yield OldCode(label, "delete", error)


def _insert_into(inserted: list[Model], rows: Any, *, full: bool) -> None:
    inserted.append(_insert(rows, full=full))


def _first(connection: BaseDatabaseWrapper, rows: Any) -> list[Model]:
    found: list[Model] = []
    _attempt(connection, lambda: found.extend(rows.order_by()[:1]))
    return found


def _attempt(connection: BaseDatabaseWrapper, act: Callable[[], Any]) -> str | None:
    """The database's own error, or None; deferred constraints are asked at once."""
    try:
        with transaction.atomic(using=connection.alias):
            act()
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except Exception as error:  # a model's own code may fail too; then it fails on both schemas
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    return None


def _insert(rows: Any, *, full: bool, depth: int = DEPTH) -> Model:
    """A row such as the old code may write: the sparest, or with every value and at full length."""
    model: type[Model] = rows.model
    there = rows.values().order_by().first() if full else None
    values = {}
    for field in model._meta.concrete_fields:
        if field.generated or _is_automatic(field):
            continue
        number = isinstance(field, models.IntegerField) and not (field.primary_key or field.unique)
        if there is not None and number and field.remote_field is None:
            # A number of the old code's own means something, such as a key of another table.
            values[field.attname] = there[field.attname]
            continue
        value = _value(field, rows.db, full=full, depth=depth)
        if value is not models.NOT_PROVIDED:
            values[field.attname] = value
    made = model(**values)
    made.save(using=rows.db, force_insert=True)
    return made


def _is_automatic(field: "AnyField") -> bool:
    return isinstance(field, models.AutoField | models.BigAutoField | models.SmallAutoField)


def _value(field: "AnyField", database: str, *, full: bool, depth: int) -> Any:
    fresh = field.primary_key or field.unique
    if field.remote_field is not None:
        if field.null and not full:
            return None
        return _parent(field, database, depth)
    if field.has_default() and not (fresh and not callable(field.default)) and not full:
        return models.NOT_PROVIDED
    if field.has_db_default() and not full:
        return models.NOT_PROVIDED
    if field.null and not full and not fresh:
        return None
    if field.choices and not fresh:
        return next(iter(field.flatchoices))[0]
    return _made(field, full=full)


def _parent(field: "AnyField", database: str, depth: int) -> Any:
    """The key of a row that the field may point to: one that is there, or a new one."""
    target = field.remote_field.model  # type: ignore[union-attr]
    name = field.target_field.attname  # type: ignore[attr-defined]
    rows = target._base_manager.using(database)
    if not isinstance(field, models.OneToOneField) and not field.unique:
        there = rows.values_list(name, flat=True).order_by().first()
        if there is not None:
            return there
    if depth == 0:
        return None
    return getattr(_insert(rows, full=False, depth=depth - 1), name)


def _made(field: "AnyField", *, full: bool) -> Any:
    """A value that no other row has, where the type allows it."""
    today = datetime.datetime.now(datetime.UTC)
    if isinstance(field, models.CharField | models.TextField | models.FileField):
        return _text(field, full=full)
    if isinstance(field, ArrayField):
        return [_made(field.base_field, full=False)]
    makers: tuple[tuple[Any, Callable[[], Any]], ...] = (
        (models.UUIDField, uuid.uuid4),
        (models.BooleanField, lambda: False),
        (models.DateTimeField, lambda: today),
        (models.DateField, today.date),
        (models.TimeField, today.time),
        (models.DurationField, lambda: datetime.timedelta(seconds=1)),
        (models.DecimalField, lambda: _decimal(field, full=full)),
        (models.FloatField, lambda: 1.0),
        (models.SmallIntegerField, lambda: secrets.randbelow(1 << 15)),
        (models.IntegerField, lambda: secrets.randbelow(1 << 31)),
        (models.BinaryField, lambda: secrets.token_bytes(8)),
        (models.JSONField, dict),
        (HStoreField, dict),
        (models.GenericIPAddressField, lambda: f"10.{'.'.join(map(str, secrets.token_bytes(3)))}"),
    )
    for kind, maker in makers:
        if isinstance(field, kind):
            return maker()
    return None if field.null else models.NOT_PROVIDED


def _text(field: "AnyField", *, full: bool) -> str:
    text = secrets.token_hex(16)
    if isinstance(field, models.EmailField):
        return f"{text}@example.org"
    if isinstance(field, models.URLField):
        return f"https://example.org/{text}"
    longest = field.max_length or 0
    if longest and full:
        return (text * (longest // len(text) + 1))[:longest]
    return text[:longest] if longest else text


def _decimal(field: "AnyField", *, full: bool) -> decimal.Decimal:
    digits: int = field.max_digits  # type: ignore[attr-defined]
    places: int = field.decimal_places  # type: ignore[attr-defined]
    text = "9" * digits if full else "1" + "0" * places
    return decimal.Decimal(int(text)).scaleb(-places)
