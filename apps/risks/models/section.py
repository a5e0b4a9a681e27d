"""What a profile holds beside its risks: tests, acceptance, monitoring, triggers, actions."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.database.keys import UUIDKeyed
from apps.risks.importer import document
from apps.risks.models.profile import Revision
from apps.risks.models.risk import Risk


class RevisionItem(UUIDKeyed):
    """One item of a section of a revision."""

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE)
    position = models.PositiveIntegerField()
    text = models.TextField()

    class Meta:
        abstract = True
        ordering = ("position",)

    def __str__(self) -> str:
        return self.text


class PriorityTest(RevisionItem):
    """A test that the profile's strategy wants, for one risk or for none in particular."""

    priority = models.PositiveSmallIntegerField(null=True, blank=True)
    risk = models.ForeignKey(Risk, on_delete=models.CASCADE, null=True, blank=True)
    heading = models.TextField(blank=True, help_text="The label that the test stands under.")

    class Meta(RevisionItem.Meta):
        default_related_name = "priority_tests"
        constraints = (
            models.CheckConstraint(
                condition=Q(priority__range=(1, 3)), name="risks_prioritytest_priority_1_to_3"
            ),
        )


class AcceptanceCriterion(RevisionItem):
    """What must hold before the service goes out, or may be lived with."""

    tier = models.CharField(
        max_length=20,
        choices=(
            (document.MUST_FIX, "must be fixed before production"),
            (document.CAN_DEPLOY, "can be deployed with mitigation"),
            (document.ACCEPTED, "accepted"),
        ),
    )
    codes = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    points = ArrayField(models.TextField(), default=list, blank=True)

    class Meta(RevisionItem.Meta):
        default_related_name = "acceptance_criteria"
        verbose_name_plural = "acceptance criteria"


class MonitoringItem(RevisionItem):
    """What is to be watched in production."""

    heading = models.TextField(blank=True, help_text="The group that the item stands in.")

    class Meta(RevisionItem.Meta):
        default_related_name = "monitoring_items"


class ReviewTrigger(RevisionItem):
    """What makes a new look at the profile necessary."""

    class Meta(RevisionItem.Meta):
        default_related_name = "review_triggers"


class ImmediateAction(RevisionItem):
    """What is to be done at once."""

    class Meta(RevisionItem.Meta):
        default_related_name = "immediate_actions"


class DocumentationRequirement(RevisionItem):
    """A document that the profile wants."""

    class Meta(RevisionItem.Meta):
        default_related_name = "documentation_requirements"


class ComponentGroup(RevisionItem):
    """One line of the distribution by component: its name is the text."""

    count_stated = models.PositiveIntegerField(null=True, blank=True)
    codes = ArrayField(models.CharField(max_length=100), default=list, blank=True)

    class Meta(RevisionItem.Meta):
        default_related_name = "component_groups"
