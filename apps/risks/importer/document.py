"""What a risk-profile document says, as frozen values."""

import datetime
from dataclasses import dataclass, field

from apps.risks.importer.ratings import Rating

FULL = "full"
PARTIAL = "partial"
UNSTRUCTURED = "unstructured"
REJECTED = "rejected"

MUST_FIX = "must_fix"
CAN_DEPLOY = "can_deploy"
ACCEPTED = "accepted"

COUNTED = (
    "components",
    "mitigations",
    "testing_focus",
    "monitoring",
    "review_triggers",
    "priority_tests",
    "immediate_actions",
    "documentation",
)


@dataclass(frozen=True)
class Place:
    """A place in the document: the section's heading and the line, counted from 1."""

    where: str
    line: int


@dataclass(frozen=True)
class Stated:
    """A value that the document prints, as text, and where."""

    value: str
    place: Place


@dataclass(frozen=True)
class GroupedText:
    """One item of a list, with the label of the group that it stands in, if any."""

    text: str
    group: str = ""


@dataclass(frozen=True)
class RiskEntry:
    """One risk; `probability`, `impact` and `score` are None inside where nothing was rated."""

    code: str
    occurrence: int
    place: Place
    category: str
    title: str
    description: str
    probability: Rating
    impact: Rating
    score: int | None
    score_raw: str
    score_stated: int | None
    priority: str | None
    priority_stated: str
    residual_level: str
    residual: str
    components: tuple[str, ...]
    affected: tuple[str, ...]
    mitigations: tuple[GroupedText, ...]
    testing_focus: tuple[GroupedText, ...]
    origin: str
    cells: tuple[tuple[str, str], ...]
    has_row: bool
    has_detail: bool


@dataclass(frozen=True)
class TierCount:
    """How many risks of one priority the document says there are."""

    tier: str
    stated: Stated


@dataclass(frozen=True)
class CategoryLine:
    """One line of the distribution by category: its own count and its count for each priority."""

    category: str
    count: int | None
    tiers: tuple[tuple[str, int], ...]
    place: Place


@dataclass(frozen=True)
class ComponentGroup:
    """One line of the distribution by component."""

    name: str
    count: int | None
    codes: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """What the document states about itself."""

    text: str = ""
    total: Stated | None = None
    score: Stated | None = None
    gate: Stated | None = None
    tiers: tuple[TierCount, ...] = ()
    yaml_totals: tuple[TierCount, ...] = ()
    categories: tuple[CategoryLine, ...] = ()


@dataclass(frozen=True)
class PriorityTestEntry:
    """One wanted test; `priority` is 1 to 3, or None where no such heading stands above it."""

    priority: int | None
    code: str
    label: str
    text: str


@dataclass(frozen=True)
class CriterionEntry:
    """One acceptance criterion of a tier, the codes it names and the points under it."""

    tier: str
    text: str
    codes: tuple[str, ...]
    points: tuple[str, ...]


@dataclass(frozen=True)
class DiscrepancyEntry:
    """A place where the document contradicts itself; `subject` says of what the values are."""

    kind: str
    place: Place
    stated: str
    computed: str
    risk: str | None = None
    subject: str = ""


@dataclass(frozen=True)
class ProfileDocument:
    """One document as read; `level` is full, partial or unstructured."""

    path: str
    sha256: str
    text: str
    level: str
    profile: str
    title: str
    methodology: str
    date: datetime.date | None
    date_stated: str
    reviewer: str
    summary: Summary
    risks: tuple[RiskEntry, ...] = ()
    component_groups: tuple[ComponentGroup, ...] = ()
    priority_tests: tuple[PriorityTestEntry, ...] = ()
    acceptance: tuple[CriterionEntry, ...] = ()
    monitoring: tuple[GroupedText, ...] = ()
    review_triggers: tuple[str, ...] = ()
    immediate_actions: tuple[str, ...] = ()
    documentation: tuple[str, ...] = ()
    discrepancies: tuple[DiscrepancyEntry, ...] = field(default=())

    @property
    def counts(self) -> dict[str, int]:
        """How many entries of each kind the document holds, by the report's names."""
        numbers = (
            sum(len(risk.components) for risk in self.risks),
            sum(len(risk.mitigations) for risk in self.risks),
            sum(len(risk.testing_focus) for risk in self.risks),
            len(self.monitoring),
            len(self.review_triggers),
            len(self.priority_tests),
            len(self.immediate_actions),
            len(self.documentation),
        )
        return dict(zip(COUNTED, numbers, strict=True))
