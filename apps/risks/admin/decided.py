"""What people decide in the admin: risks that they accept, and reviews that they have done."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db import models, transaction
from django.http import HttpRequest
from django.utils import timezone

from apps.database.concurrent_edit import ConcurrentEditAdmin
from apps.risks.admin.imported import names_of
from apps.risks.models import Acceptance, Review, Risk

# What a person writes of an acceptance; who and when it was is written down by itself.
_WRITTEN = ("risk", "reason", "reference", "until")


@admin.register(Acceptance)
class AcceptanceAdmin(ConcurrentEditAdmin):
    """One person accepts a risk, another approves it; from then on it can only be withdrawn."""

    list_display = ("risk", "standing", "until", "accepted_by", "approved_by", "reason")
    list_filter = ("risk__revision__profile",)
    list_select_related = ("risk", "accepted_by", "approved_by")
    search_fields = ("risk__code", "reason", "reference")
    autocomplete_fields = ("risk",)
    fields = ("risk", "reason", "reference", "until", *names_of(Acceptance, without=_WRITTEN))
    actions = ("approve", "withdraw")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Acceptance]:
        return super().get_queryset(request).defer("risk__search_vector", "risk__description")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Acceptance | None = None
    ) -> tuple[str, ...]:
        decided = names_of(Acceptance, without=_WRITTEN)
        return decided if obj is None else ("risk", *decided)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "risk":
            kwargs["queryset"] = Risk.objects.current().defer("search_vector")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description="state")
    def standing(self, acceptance: Acceptance) -> str:
        return acceptance.state(timezone.now())

    def has_change_permission(self, request: HttpRequest, obj: Acceptance | None = None) -> bool:
        if obj is not None and (obj.approved_by_id or obj.withdrawn_at):
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Acceptance | None = None) -> bool:
        return False

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("risks.approve_acceptance")

    def save_model(self, request: HttpRequest, obj: Acceptance, form: Any, change: bool) -> None:
        # Whoever wrote the words last accepts the risk, and so cannot be who approves them.
        obj.accepted_by_id = UUID(str(request.user.pk))
        obj.accepted_at = timezone.now()
        super().save_model(request, obj, form, change)

    @admin.action(description="Approve what another person accepted", permissions=["approve"])
    def approve(self, request: HttpRequest, queryset: models.QuerySet[Acceptance]) -> None:
        now = timezone.now()
        with transaction.atomic():
            for acceptance in queryset.select_for_update(of=("self",)).order_by("pk"):
                state = acceptance.state(now)
                if acceptance.accepted_by_id == request.user.pk:
                    self._refuse(request, acceptance, "you accepted it; another person approves")
                elif state != "proposed":
                    self._refuse(request, acceptance, f"it is {state}")
                else:
                    acceptance.approved_by_id, acceptance.approved_at = request.user.pk, now
                    acceptance.save(update_fields=["approved_by", "approved_at"])
                    self._done(request, acceptance, "Approved")

    @admin.action(description="Withdraw", permissions=["change"])
    def withdraw(self, request: HttpRequest, queryset: models.QuerySet[Acceptance]) -> None:
        now = timezone.now()
        with transaction.atomic():
            for acceptance in queryset.select_for_update(of=("self",)).order_by("pk"):
                if acceptance.withdrawn_at:
                    self._refuse(request, acceptance, "it is withdrawn already")
                    continue
                acceptance.withdrawn_by_id, acceptance.withdrawn_at = request.user.pk, now
                acceptance.save(update_fields=["withdrawn_by", "withdrawn_at"])
                self._done(request, acceptance, "Withdrawn")

    def _refuse(self, request: HttpRequest, acceptance: Acceptance, why: str) -> None:
        self.message_user(request, f"{acceptance}: {why}.", messages.ERROR)

    def _done(self, request: HttpRequest, acceptance: Acceptance, what: str) -> None:
        self.log_change(request, acceptance, what)
        self.message_user(request, f"{what}: {acceptance}.", messages.SUCCESS)


@admin.register(Review)
class ReviewAdmin(ConcurrentEditAdmin):
    """What is due is written by `manage.py reviews`; a person notes what was looked at."""

    list_display = ("trigger", "reason", "due_since", "done_by", "done_at")
    list_filter = ("trigger",)
    list_select_related = ("done_by",)
    search_fields = ("trigger", "reason", "note")
    fields = ("note", *names_of(Review, without=("note",)))
    readonly_fields = names_of(Review, without=("note",))
    actions = ("mark_as_done",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Review | None = None) -> bool:
        return False

    @admin.action(description="Mark as done", permissions=["change"])
    def mark_as_done(self, request: HttpRequest, queryset: models.QuerySet[Review]) -> None:
        with transaction.atomic():
            for review in queryset.select_for_update(of=("self",)).filter(done_at__isnull=True):
                review.done_by_id, review.done_at = request.user.pk, timezone.now()
                review.save(update_fields=["done_by", "done_at"])
                self.log_change(request, review, "Marked as done")
                self.message_user(request, f"Done: {review}.", messages.SUCCESS)
