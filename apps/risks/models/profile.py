"""A profile and its revisions; importing again adds a revision and changes none."""

from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef, Q

from apps.database.keys import UUIDKeyed
from apps.risks import method
from apps.risks.importer import document
from apps.risks.importer.summary import LONGEST_KEY


class Profile(UUIDKeyed):
    """The risks of one story or epic, whichever revision of the document is the newest."""

    key = models.CharField(max_length=LONGEST_KEY, help_text="The story, such as 1.3.")
    slug = models.CharField(max_length=LONGEST_KEY, help_text="The key as it stands in addresses.")
    title = models.TextField()
    methodology = models.CharField(
        max_length=20, choices=[(name, name) for name in method.METHODOLOGIES]
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("key",)
        constraints = (models.UniqueConstraint(fields=("key",), name="risks_profile_key_once"),)

    def __str__(self) -> str:
        return self.key


class RevisionQuerySet(models.QuerySet["Revision"]):
    """Named questions about revisions."""

    def current(self) -> "RevisionQuerySet":
        """The newest revision of every profile."""
        newer = Revision.objects.filter(profile=OuterRef("profile"), number__gt=OuterRef("number"))
        return self.filter(~Exists(newer))


class Revision(UUIDKeyed):
    """One document as it was imported: what it states, and its whole text."""

    # The constraint below begins with this column and serves as its index.
    profile = models.ForeignKey(
        Profile, on_delete=models.PROTECT, related_name="revisions", db_index=False
    )
    number = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    source_name = models.TextField(help_text="The name of the imported file.")
    source_text = models.TextField()
    level = models.CharField(
        max_length=20,
        choices=[(name, name) for name in (document.FULL, document.PARTIAL, document.UNSTRUCTURED)],
    )
    title = models.TextField()
    date = models.DateField(null=True, blank=True)
    date_stated = models.TextField(blank=True)
    reviewer = models.TextField(blank=True)
    summary = models.TextField(blank=True)
    risks_stated = models.PositiveIntegerField(null=True, blank=True)
    story_score_stated = models.PositiveIntegerField(null=True, blank=True)
    story_score = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="By the method; empty where a risk is not rated."
    )
    gate_stated = models.CharField(max_length=10, blank=True)
    gate = models.CharField(max_length=10, blank=True, help_text="By the method, from P × I alone.")
    tiers_stated = models.JSONField(default=dict, blank=True)
    categories_stated = models.JSONField(default=list, blank=True)
    imported_at = models.DateTimeField(auto_now_add=True)

    objects = RevisionQuerySet.as_manager()

    class Meta:
        ordering = ("profile__key", "-number")
        constraints = (
            models.UniqueConstraint(
                fields=("profile", "number"), name="risks_revision_number_once"
            ),
            models.CheckConstraint(condition=Q(number__gte=1), name="risks_revision_number_from_1"),
        )

    def __str__(self) -> str:
        return f"revision {self.number} of {self.source_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise ImportedRevisionError(
                f"Revision {self.number} was imported and is not changed; "
                "import the corrected document, which makes a new revision."
            )
        super().save(*args, **kwargs)


class ImportedRevisionError(Exception):
    """Somebody tried to change a revision that was imported."""
