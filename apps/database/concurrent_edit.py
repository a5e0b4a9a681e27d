"""Two people edit one row in the admin: the second is told, and overwrites nothing."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import connections, models, router, transaction
from django.http import HttpRequest
from psycopg.sql import SQL, Identifier

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _ModelForm = forms.ModelForm[Any]
else:
    # These classes take no type arguments when they run.
    _ModelAdmin, _ModelForm = admin.ModelAdmin, forms.ModelForm

FIELD = "row_version"
CHANGED = (
    "Somebody changed this meanwhile. Nothing of yours was saved: open the page again, "
    "look at what is there now, and enter your change once more."
)


def row_version(row: models.Model, *, lock: bool = False) -> str:
    """Which version of the row is stored: PostgreSQL's own mark, new with every change.

    With `lock`, inside a transaction, it stays so until the transaction ends. Empty when the row
    is not there.
    """
    connection = connections[router.db_for_write(type(row), instance=row)]
    key = row._meta.pk
    column = key.column or key.attname
    query = SQL("SELECT xmin::text || ' ' || ctid::text FROM {} WHERE {} = %s").format(
        Identifier(row._meta.db_table), Identifier(column)
    )
    if lock:
        query += SQL(" FOR UPDATE")
    with connection.cursor() as cursor:
        cursor.execute(query, [key.get_db_prep_value(row.pk, connection)])
        found = cursor.fetchone()
    return str(found[0]) if found else ""


class ConcurrentEditForm(_ModelForm):
    """A form that knows which version of its row it shows, and saves over no other."""

    row_version = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.initial[FIELD] = row_version(self.instance)

    def clean(self) -> dict[str, Any] | None:
        cleaned: dict[str, Any] | None = super().clean()
        shown = self.cleaned_data.get(FIELD)
        if not self.instance._state.adding and shown != self._locked_version():
            raise ValidationError(CHANGED, code="changed_meanwhile")
        return cleaned

    def _locked_version(self) -> str:
        using = router.db_for_write(type(self.instance), instance=self.instance)
        # The admin saves in the transaction that it validates in, so nobody comes in between.
        in_transaction = transaction.get_connection(using).in_atomic_block
        return row_version(self.instance, lock=in_transaction)


class ConcurrentEditAdmin(_ModelAdmin):
    """A model's admin whose forms detect a concurrent edit of the row itself."""

    form = ConcurrentEditForm

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The usual fieldsets, and the hidden version of an existing row."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or not self.has_change_permission(request, obj):
            return fieldsets
        return [*fieldsets, (None, {"fields": (FIELD,), "classes": ("hidden",)})]
