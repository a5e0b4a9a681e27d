"""The register in the admin: what was imported is shown, what people add is edited."""

from apps.risks.admin.decided import AcceptanceAdmin, ReviewAdmin
from apps.risks.admin.imported import DiscrepancyAdmin, ProfileAdmin, RevisionAdmin, RiskAdmin

__all__ = [
    "AcceptanceAdmin",
    "DiscrepancyAdmin",
    "ProfileAdmin",
    "ReviewAdmin",
    "RevisionAdmin",
    "RiskAdmin",
]
