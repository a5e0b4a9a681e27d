"""A risk, what stands in its detail block, and where its document contradicts itself."""

import re

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import (
    SearchQuery,
    SearchRank,
    SearchVector,
    SearchVectorField,
    TrigramWordSimilarity,
)
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Greatest, Left

from apps.database.keys import UUIDKeyed
from apps.risks import method
from apps.risks.importer.discrepancies import KINDS
from apps.risks.models.profile import Revision

SEARCH_CONFIGURATION = "english"
LONGEST_QUERY = 200
_IDLE_HYPHEN = re.compile(r"-(?![\w\"])")
_OPERATORS = re.compile(r"(?:^|\s)-|\"")
# A tsvector holds one megabyte; the whole text stays in its column.
SEARCHED_TITLE = 2_000
SEARCHED_DESCRIPTION = 50_000


class RiskQuerySet(models.QuerySet["Risk"]):
    """Named questions about risks."""

    def current(self) -> "RiskQuerySet":
        """The risks of every profile's newest revision."""
        newer = Revision.objects.filter(
            profile=OuterRef("revision__profile"), number__gt=OuterRef("revision__number")
        )
        return self.filter(~Exists(newer))

    def with_gate_score(self) -> "RiskQuerySet":
        """Adds `gate_score`: the worse of the stated and the computed score, None without both."""
        return self.annotate(gate_score=Greatest("score", "score_stated"))

    def search(self, text: str) -> "RiskQuerySet":
        """The risks that a person's words find, best first; nothing for empty words."""
        words = searchable(text)
        if not words:
            return self.none()
        query = SearchQuery(words, search_type="websearch", config=SEARCH_CONFIGURATION)
        found = Q(search_vector=query) | Q(code=words.upper())
        if not _OPERATORS.search(words):
            # Who excludes a word or quotes a phrase means it exactly.
            found |= Q(title__trigram_word_similar=words)
        return (
            self.filter(found)
            .annotate(
                rank=SearchRank(F("search_vector"), query),
                similarity=TrigramWordSimilarity(words, "title"),
            )
            .order_by("-rank", "-similarity", "code", "pk")
        )


def searchable(text: str) -> str:
    """What is searched for of a text that may be anything: short, and without NUL bytes.

    PostgreSQL gives up on a row of hyphens that exclude nothing ("tsquery stack too small").
    """
    known = text[:LONGEST_QUERY].encode("utf-8", errors="ignore").decode().replace("\0", " ")
    return _IDLE_HYPHEN.sub(" ", known).strip()


def kind_choices() -> list[tuple[str, str]]:
    """The kinds of discrepancy; a callable, so that a new kind needs no migration."""
    return [(kind, kind.replace("_", " ")) for kind in KINDS]


class Risk(UUIDKeyed):
    """One entry of a revision; `score` and `priority` are computed, `…_stated` is printed."""

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="risks")
    code = models.CharField(max_length=100)
    occurrence = models.PositiveIntegerField(
        default=1, help_text="Tells rows of one code in a roll-up of several stories apart."
    )
    position = models.PositiveIntegerField()
    category = models.TextField(blank=True)
    title = models.TextField()
    description = models.TextField(blank=True)
    probability = models.PositiveSmallIntegerField(null=True, blank=True)
    impact = models.PositiveSmallIntegerField(null=True, blank=True)
    score = models.GeneratedField(
        expression=F("probability") * F("impact"),
        output_field=models.PositiveSmallIntegerField(null=True),
        db_persist=True,
    )
    priority = models.CharField(max_length=10, blank=True)
    probability_stated = models.TextField(blank=True)
    impact_stated = models.TextField(blank=True)
    score_text = models.TextField(blank=True)
    score_stated = models.PositiveSmallIntegerField(null=True, blank=True)
    priority_stated = models.TextField(blank=True)
    residual_level = models.CharField(max_length=10, blank=True)
    residual = models.TextField(blank=True)
    affected = ArrayField(models.TextField(), default=list, blank=True)
    origin = models.TextField(blank=True)
    cells = models.JSONField(default=list, blank=True)
    line = models.PositiveIntegerField(default=1)
    has_detail = models.BooleanField(default=False)
    is_draft = models.BooleanField(
        default=False, help_text="Made from a document without structure; a person completes it."
    )
    notes = models.TextField(blank=True, help_text="What people add; an import never writes it.")
    search_vector = models.GeneratedField(
        expression=SearchVector("code", weight="A", config=SEARCH_CONFIGURATION)
        + SearchVector(Left("title", SEARCHED_TITLE), weight="A", config=SEARCH_CONFIGURATION)
        + SearchVector(
            Left("description", SEARCHED_DESCRIPTION), weight="B", config=SEARCH_CONFIGURATION
        ),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    objects = RiskQuerySet.as_manager()

    class Meta:
        ordering = ("revision", "position")
        indexes = (
            GinIndex(fields=("search_vector",), name="risks_risk_search"),
            GinIndex(fields=("title",), name="risks_risk_title_near", opclasses=("gin_trgm_ops",)),
            GinIndex(fields=("affected",), name="risks_risk_affected"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("code", "revision", "occurrence"), name="risks_risk_code_once"
            ),
            models.CheckConstraint(
                condition=Q(probability__range=(1, 3)), name="risks_risk_probability_1_to_3"
            ),
            models.CheckConstraint(
                condition=Q(impact__range=(1, 3)), name="risks_risk_impact_1_to_3"
            ),
        )

    def __str__(self) -> str:
        return f"{self.code}: {self.title}"

    @property
    def worst_score(self) -> int | None:
        """The worse of the stated and the computed score; None without both."""
        scores = [value for value in (self.score, self.score_stated) if value is not None]
        return max(scores, default=None)

    def rate(self, methodology: str) -> None:
        """Sets the priority from probability and impact; the database computes the score."""
        score = method.score(self.probability, self.impact)
        self.priority = method.priority(score, methodology) or ""


class RiskItem(UUIDKeyed):
    """One item of a list in a risk's detail block."""

    risk = models.ForeignKey(Risk, on_delete=models.CASCADE)
    position = models.PositiveIntegerField()
    heading = models.TextField(blank=True, help_text="The group that the item stands in, if any.")
    text = models.TextField()

    class Meta:
        abstract = True
        ordering = ("position",)

    def __str__(self) -> str:
        return self.text


class Mitigation(RiskItem):
    """What is promised against a risk."""

    class Meta(RiskItem.Meta):
        default_related_name = "mitigations"


class TestingFocus(RiskItem):
    """What tests of a risk must look at."""

    # pytest takes every class named Test… for tests.
    __test__ = False

    class Meta(RiskItem.Meta):
        default_related_name = "testing_focus"
        verbose_name_plural = "testing focus"


class Component(RiskItem):
    """What a risk's detail block says is affected."""

    class Meta(RiskItem.Meta):
        default_related_name = "components"


class DiscrepancyQuerySet(models.QuerySet["Discrepancy"]):
    """Named questions about discrepancies."""

    def unresolved(self) -> "DiscrepancyQuerySet":
        """Those that no person has decided."""
        return self.filter(resolution="")

    def of_current_revisions(self) -> "DiscrepancyQuerySet":
        """Those of every profile's newest revision."""
        return self.filter(revision__in=Revision.objects.current())


class Discrepancy(UUIDKeyed):
    """A place where a document contradicts itself: stated against computed."""

    STATED = "stated"
    COMPUTED = "computed"

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="discrepancies")
    risk = models.ForeignKey(
        Risk, on_delete=models.CASCADE, related_name="discrepancies", null=True, blank=True
    )
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=40, choices=kind_choices)
    where = models.TextField(blank=True, help_text="The section of the document.")
    line = models.PositiveIntegerField()
    subject = models.TextField(blank=True, help_text="Of what the values are.")
    stated = models.TextField()
    computed = models.TextField()
    resolution = models.CharField(
        max_length=10,
        blank=True,
        choices=((STATED, "the stated value holds"), (COMPUTED, "the computed value holds")),
        help_text="Empty until a person decides; until then the worse value counts.",
    )
    resolution_note = models.TextField(blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)

    objects = DiscrepancyQuerySet.as_manager()

    class Meta:
        ordering = ("revision", "position")
        verbose_name_plural = "discrepancies"

    def __str__(self) -> str:
        return f"{self.kind}: stated {self.stated}, computed {self.computed}"
