"""Remembers what a gate said, a row each time that it says something else."""

from apps.risks.gate import Gate
from apps.risks.models import GateDecision, Profile

SHOWN = 20


def decisions_of(profile: Profile) -> list[GateDecision]:
    """The newest decisions about whichever revision of the profile, newest first."""
    return list(GateDecision.objects.filter(revision__profile=profile)[:SHOWN])


def remember(gate: Gate) -> GateDecision:
    """The newest decision, which is a new one unless it says the same as the last."""
    last = next(iter(decisions_of(gate.revision.profile)), None)
    said = (gate.revision.pk, gate.word, gate.document, gate.reason)
    if last and (last.revision_id, last.gate, last.document_gate, last.reason) == said:
        return last
    return GateDecision.objects.create(
        revision=gate.revision,
        decided_at=gate.decided_at,
        gate=gate.word,
        document_gate=gate.document,
        reason=gate.reason,
    )
