"""The register's tables."""

from apps.risks.models.profile import Profile, Revision
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
    "AcceptanceCriterion",
    "Component",
    "ComponentGroup",
    "Discrepancy",
    "DocumentationRequirement",
    "ImmediateAction",
    "Mitigation",
    "MonitoringItem",
    "PriorityTest",
    "Profile",
    "ReviewTrigger",
    "Revision",
    "Risk",
    "TestingFocus",
]
