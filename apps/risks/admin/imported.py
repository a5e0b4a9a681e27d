"""What was imported is shown in the admin; notes and decisions about it are edited."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import models
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.utils import timezone

from apps.database.concurrent_edit import ConcurrentEditAdmin
from apps.risks.models import (
    AcceptanceCriterion,
    Component,
    ComponentGroup,
    Discrepancy,
    DocumentationRequirement,
    ImmediateAction,
    Mitigation,
    MonitoringItem,
    PriorityTest,
    Profile,
    ReviewTrigger,
    Revision,
    Risk,
    TestingFocus,
)

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _TabularInline = admin.TabularInline[Any, Any]
else:
    # These classes take no type arguments when they run.
    _ModelAdmin, _TabularInline = admin.ModelAdmin, admin.TabularInline

_DRAFT_FIELDS = (
    "code",
    "category",
    "title",
    "description",
    "probability",
    "impact",
    "residual_level",
    "residual",
    "affected",
)


def names_of(model: type[models.Model], *, without: Iterable[str] = ()) -> tuple[str, ...]:
    """Every column of a model but the key and those named."""
    hidden = {"id", "search_vector", *without}
    return tuple(field.name for field in model._meta.concrete_fields if field.name not in hidden)


class ImportedOnly:
    """Rows that only an import makes: shown, never added, changed or deleted here."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False


class CurrentFilter(admin.SimpleListFilter):
    """Only the newest revision of every profile, unless older ones are asked for."""

    title = "revision"
    parameter_name = "revision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("all", "older ones too")]

    def choices(self, changelist: Any) -> Any:
        newest, *others = super().choices(changelist)
        return [{**newest, "display": "the newest"}, *others]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        if self.value() == "all":
            return queryset
        prefix = "" if queryset.model is Revision else "revision__"
        newer = Revision.objects.filter(
            profile=OuterRef(f"{prefix}profile"), number__gt=OuterRef(f"{prefix}number")
        )
        return queryset.filter(~Exists(newer))


class RiskItemInline(_TabularInline):
    """A list of a risk; of a draft it may be written, of an imported risk it is shown."""

    extra = 0
    fields = ("position", "heading", "text")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_draft(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_draft(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_draft(obj) and super().has_delete_permission(request, obj)


def _is_draft(risk: Any) -> bool:
    return isinstance(risk, Risk) and risk.is_draft


class MitigationInline(RiskItemInline):
    model = Mitigation


class TestingFocusInline(RiskItemInline):
    # pytest takes every class named Test… for tests.
    __test__ = False
    model = TestingFocus


class ComponentInline(RiskItemInline):
    model = Component


class DiscrepancyInline(ImportedOnly, _TabularInline):
    model = Discrepancy
    extra = 0
    fields = ("kind", "where", "line", "subject", "stated", "computed", "resolution")
    show_change_link = True


@admin.register(Risk)
class RiskAdmin(ConcurrentEditAdmin):
    """An imported risk takes a person's notes; a draft takes everything."""

    list_display = (
        "code",
        "title",
        "category",
        "score",
        "score_stated",
        "priority",
        "priority_stated",
        "revision",
    )
    list_filter = (CurrentFilter, "priority", "category", "is_draft", "revision__profile")
    list_select_related = ("revision",)
    list_per_page = 50
    search_fields = ("code", "title", "description")
    search_help_text = "Words, a code, or a title that is nearly right."
    ordering = ("revision", "position")
    inlines = (MitigationInline, TestingFocusInline, ComponentInline, DiscrepancyInline)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Risk]:
        return super().get_queryset(request).defer("search_vector", "revision__source_text")

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Risk], search_term: str
    ) -> tuple[models.QuerySet[Risk], bool]:
        if not search_term.strip():
            return queryset, False
        found = Risk.objects.search(search_term).order_by().values("pk")
        return queryset.filter(pk__in=found), False

    def get_fields(self, request: HttpRequest, obj: Risk | None = None) -> tuple[str, ...]:
        return ("notes", *names_of(Risk, without=("notes",)))

    def get_readonly_fields(self, request: HttpRequest, obj: Risk | None = None) -> tuple[str, ...]:
        editable = ("notes", *(_DRAFT_FIELDS if _is_draft(obj) else ()))
        return names_of(Risk, without=editable)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Risk | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Risk, form: Any, change: bool) -> None:
        if obj.is_draft:
            obj.rate(obj.revision.profile.methodology)
        super().save_model(request, obj, form, change)


@admin.register(Discrepancy)
class DiscrepancyAdmin(ConcurrentEditAdmin):
    """A person says which of the two values holds, and why."""

    list_display = ("kind", "subject", "stated", "computed", "risk", "revision", "resolution")
    list_filter = (CurrentFilter, "kind", "resolution", "revision__profile")
    list_select_related = ("risk", "revision")
    search_fields = ("kind", "subject", "stated", "computed", "where", "risk__code")
    fields = (
        "resolution",
        "resolution_note",
        *names_of(Discrepancy, without=("resolution", "resolution_note")),
    )
    readonly_fields = names_of(Discrepancy, without=("resolution", "resolution_note"))

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Discrepancy]:
        return super().get_queryset(request).defer("revision__source_text", "risk__search_vector")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Discrepancy | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Discrepancy, form: Any, change: bool) -> None:
        if "resolution" in form.changed_data:
            is_decided = bool(obj.resolution)
            obj.resolved_by_id = request.user.pk if is_decided else None
            obj.resolved_at = timezone.now() if is_decided else None
        super().save_model(request, obj, form, change)


class SectionInline(ImportedOnly, _TabularInline):
    """What a revision's sections hold."""

    extra = 0


def _section_inline(section: type[models.Model]) -> type[SectionInline]:
    fields = names_of(section, without=("revision",))
    return type(f"{section.__name__}Inline", (SectionInline,), {"model": section, "fields": fields})


@admin.register(Revision)
class RevisionAdmin(ImportedOnly, _ModelAdmin):
    """A document as it was imported; nothing in it is changed."""

    list_display = ("profile", "number", "level", "date", "reviewer", "gate", "imported_at")
    list_filter = (CurrentFilter, "level", "gate")
    list_select_related = ("profile",)
    search_fields = ("profile__key", "title", "reviewer", "summary", "source_name")
    fields = names_of(Revision)
    inlines = tuple(
        _section_inline(section)
        for section in (
            PriorityTest,
            AcceptanceCriterion,
            MonitoringItem,
            ReviewTrigger,
            ImmediateAction,
            DocumentationRequirement,
            ComponentGroup,
        )
    )


class RevisionInline(ImportedOnly, _TabularInline):
    model = Revision
    extra = 0
    fields = ("number", "level", "date", "reviewer", "gate", "imported_at")
    readonly_fields = fields
    show_change_link = True


@admin.register(Profile)
class ProfileAdmin(ImportedOnly, _ModelAdmin):
    """A profile with its revisions."""

    list_display = ("key", "title", "methodology", "created_at")
    list_filter = ("methodology",)
    search_fields = ("key", "title")
    fields = ("key", "slug", "title", "methodology", "created_at")
    inlines = (RevisionInline,)
