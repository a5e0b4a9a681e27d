"""The register's tables."""

from apps.risks.models.acceptance import Acceptance, GateDecision
from apps.risks.models.profile import Profile, Revision
from apps.risks.models.review import Review, Trigger
from apps.risks.models.risk import Component, Discrepancy, Mitigation, Risk, TestingFocus
from apps.risks.models.section import (
    AcceptanceCriterion,
    ComponentGroup,
    DocumentationRequirement,
    ImmediateAction,
    MonitoringItem,
    PriorityTest,
    ReviewTrigger,
)

__all__ = [
    "Acceptance",
    "AcceptanceCriterion",
    "Component",
    "ComponentGroup",
    "Discrepancy",
    "DocumentationRequirement",
    "GateDecision",
    "ImmediateAction",
    "Mitigation",
    "MonitoringItem",
    "PriorityTest",
    "Profile",
    "Review",
    "ReviewTrigger",
    "Revision",
    "Risk",
    "TestingFocus",
    "Trigger",
]
