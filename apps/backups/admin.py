"""The catalogue of the backups in the admin: shown, never added, changed or deleted there."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from apps.backups.models import Attestation, BackupRow, VerificationRow

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    # This class takes no type arguments when it runs.
    _ModelAdmin = admin.ModelAdmin


class ReadOnly(_ModelAdmin):
    """Rows that commands write as the owner; the web process may read them only."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False


@admin.register(BackupRow)
class BackupRowAdmin(ReadOnly):
    list_display = ("name", "database", "finished_at", "bytes", "encrypted", "partial")
    list_filter = ("database", "encrypted", "partial")
    search_fields = ("name",)
    date_hierarchy = "finished_at"


@admin.register(VerificationRow)
class VerificationRowAdmin(ReadOnly):
    list_display = ("backup", "verified_at", "verdict", "restore_seconds", "reason")
    list_filter = ("verdict",)
    list_select_related = ("backup",)


@admin.register(Attestation)
class AttestationAdmin(ReadOnly):
    list_display = ("provider", "attested_at", "schedule", "retention_days", "checked_by")
