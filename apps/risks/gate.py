"""The two gates of a profile: what its scores say, and what verdicts and acceptances say."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS

from apps.controls.control import Control
from apps.controls.discovery import all_controls
from apps.controls.models import Verdict
from apps.controls.suppressions import KEY as SUPPRESSED
from apps.risks import method
from apps.risks.exposure import FRESH_FOR
from apps.risks.importer.discrepancies import GATE_WORD, SCORE_PRODUCT
from apps.risks.importer.document import MUST_FIX, UNSTRUCTURED
from apps.risks.models import Acceptance, Discrepancy, Revision, Risk
from config.commands import manage

HELD, ACCEPTED, OPEN = "held", "accepted", "open"
# Where a profile names no risk that must be fixed, those that the method is concerned about.
MUST_FIX_SCORE, ALWAYS_SCORE = 6, 9
_MEND_OR_ACCEPT = "Mend what holdfast.toml hides, or have the risk accepted by two persons."
_SEVERITY = (method.PASS, method.WAIVED, method.CONCERNS, method.FAIL)


@dataclass(frozen=True)
class Judged:
    """One control's newest verdict on the project's own database."""

    control: str
    state: str
    reason: str | None
    findings: Sequence[Mapping[str, Any]]
    at: datetime
    suppressed: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class Step:
    """One thing to do next: of which risk and control, what is missing, and what to do.

    An advice is words for a person; anything else can be pasted or comes from a finding.
    """

    risk: str | None
    must_fix: bool
    control: str | None
    missing: str
    do: str
    advice: bool = False


@dataclass(frozen=True)
class RiskGate:
    """A risk at the gate: held by fresh passing verdicts, accepted by people, or open."""

    code: str
    title: str
    score: int | None
    priority: str
    must_fix: bool
    state: str
    why: str
    steps: tuple[Step, ...] = ()
    acceptance: Acceptance | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True)
class Gate:
    """The gate of one revision at one moment."""

    revision: Revision
    document: str
    word: str
    reason: str
    risks: tuple[RiskGate, ...]
    steps: tuple[Step, ...]
    decided_at: datetime
    expires: datetime | None

    def of(self, state: str, *, must_fix: bool) -> list[RiskGate]:
        return [row for row in self.risks if row.state == state and row.must_fix is must_fix]


def judge_gate(
    revision: Revision,
    now: datetime,
    risks: Sequence[Risk] | None = None,
    discrepancies: Sequence[Discrepancy] | None = None,
) -> Gate:
    """Judge a revision; five queries at most, two less where its risks and discrepancies are known.

    Only verdicts about the project's own database count, and only of controls that still exist.
    """
    if risks is None:
        risks = list(revision.risks.defer("search_vector", "cells", "description"))
    if discrepancies is None:
        discrepancies = list(revision.discrepancies.all())
    listed = _must_fix(revision, risks)
    acceptances = _acceptances(revision, now)
    verdicts = _newest_verdicts({risk.code for risk in risks})
    controls = _controls_by_risk()
    rows = [
        _at_the_gate(risk, risk.code in listed, controls, verdicts, acceptances, now)
        for risk in sorted(risks, key=lambda risk: (-(risk.worst_score or 0), risk.position))
    ]
    known = {risk.code for risk in risks}
    rows += [_absent(code) for code in listed if code not in known]
    rows.sort(key=lambda row: not row.must_fix)
    word, reason = _word(revision, rows)
    return Gate(
        revision=revision,
        document=document_gate(revision, risks, discrepancies),
        word=word,
        reason=reason,
        risks=tuple(rows),
        steps=tuple(_ordered(rows)),
        decided_at=now,
        expires=_expires(rows),
    )


def document_gate(
    revision: Revision, risks: Iterable[Risk], discrepancies: Iterable[Discrepancy]
) -> str:
    """By the method, from the worse of stated and computed until a person has decided.

    A risk that nobody has rated is a concern: nothing says that it is none.
    """
    resolved = {(d.kind, d.risk_id): d.resolution for d in discrepancies if d.resolution}
    scores = [_decided_score(risk, resolved.get((SCORE_PRODUCT, risk.pk))) for risk in risks]
    word = method.document_gate(score for score in scores if score is not None)
    if revision.level == UNSTRUCTURED or None in scores:
        word = _worse(word, method.CONCERNS)
    stated, decision = revision.gate_stated, resolved.get((GATE_WORD, None))
    if stated not in _SEVERITY or decision == Discrepancy.COMPUTED:
        return word
    return stated if decision == Discrepancy.STATED else _worse(word, stated)


def _decided_score(risk: Risk, resolution: str | None) -> int | None:
    if resolution == Discrepancy.STATED:
        return risk.score_stated
    return risk.score if resolution == Discrepancy.COMPUTED else risk.worst_score


def _worse(one: str, other: str) -> str:
    return max(one, other, key=_SEVERITY.index)


def _must_fix(revision: Revision, risks: Iterable[Risk]) -> list[str]:
    """The codes that the profile says must be fixed, and whatever the method itself fails."""
    criteria = revision.acceptance_criteria.filter(tier=MUST_FIX)
    listed = [code for criterion in criteria for code in criterion.codes]
    least = ALWAYS_SCORE if listed else MUST_FIX_SCORE
    listed += [risk.code for risk in risks if (risk.worst_score or 0) >= least]
    return list(dict.fromkeys(listed))


def _acceptances(revision: Revision, now: datetime) -> list[Acceptance]:
    """Those that last, the approved before the proposed, the longest first."""
    found = (
        Acceptance.objects.of_profile(revision.profile)
        .lasting(now)
        .select_related("risk", "accepted_by", "approved_by")
        .defer("risk__search_vector", "risk__description", "risk__cells")
    )
    return sorted(found, key=lambda row: (row.approved_by_id is None, -row.until.toordinal()))


def _newest_verdicts(codes: set[str]) -> dict[str, Judged]:
    rows = (
        Verdict.objects.filter(risk__in=codes, assessment__database=DEFAULT_DB_ALIAS)
        .latest_by_control()
        .values_list(
            *("control", "state", "reason", "findings", "assessment__started_at"),
            f"evidence__{SUPPRESSED}",
        )
    )
    return {row[0]: Judged(*row) for row in rows}


def _controls_by_risk() -> dict[str, list[Control]]:
    found: dict[str, list[Control]] = {}
    for control in all_controls():
        found.setdefault(control.risk, []).append(control)
    return found


def _at_the_gate(
    risk: Risk,
    must_fix: bool,
    controls: Mapping[str, Sequence[Control]],
    verdicts: Mapping[str, Judged],
    acceptances: Iterable[Acceptance],
    now: datetime,
) -> RiskGate:
    own = controls.get(risk.code, [])
    seen = [verdicts[control.id] for control in own if control.id in verdicts]
    steps = tuple(_steps(risk.code, must_fix, own, verdicts, now))
    fitting = [acceptance for acceptance in acceptances if acceptance.covers(risk)]
    accepted = next((row for row in fitting if row.approved_by_id), None)
    if steps and accepted is None:
        steps = tuple(_approvals(risk.code, must_fix, fitting)) + steps
    state = HELD if not steps else ACCEPTED if accepted else OPEN
    return RiskGate(
        code=risk.code,
        title=risk.title,
        score=risk.worst_score,
        priority=risk.priority,
        must_fix=must_fix,
        state=state,
        why=_why(state, steps, accepted, len(own)),
        steps=() if state == ACCEPTED else steps,
        acceptance=accepted if state == ACCEPTED else None,
        seen_at=min((verdict.at for verdict in seen), default=None),
    )


def _why(state: str, steps: Sequence[Step], acceptance: Acceptance | None, controls: int) -> str:
    if state == HELD:
        return f"All that apply of {controls} {'control' if controls == 1 else 'controls'} pass."
    if acceptance is not None:
        return (
            f"Accepted by {acceptance.accepted_by}, approved by {acceptance.approved_by}, "
            f"until {acceptance.until}: {acceptance.reason}"
        )
    return f"{steps[0].missing}{'' if len(steps) == 1 else f' And {len(steps) - 1} more.'}"


def _steps(
    code: str,
    must_fix: bool,
    controls: Sequence[Control],
    verdicts: Mapping[str, Judged],
    now: datetime,
) -> Iterator[Step]:
    """What keeps the verdicts from holding the risk: failures, then what was not seen, or not now.

    A stale *not applicable* counts too: what did not apply last week may apply today.
    """
    seen = [verdicts[control.id] for control in controls if control.id in verdicts]
    for verdict in seen:
        if verdict.state == Verdict.State.FAIL:
            yield Step(code, must_fix, verdict.control, *_of_failure(verdict))
    for verdict in seen:
        if verdict.state == Verdict.State.UNKNOWN:
            missing = f"{verdict.control} could not see: {verdict.reason}"
            yield Step(
                code, must_fix, verdict.control, missing, "Let it see, then judge again.", True
            )
    for verdict in seen if must_fix else ():
        # One person says in a file that these are no defects; here two must agree.
        if verdict.state == Verdict.State.PASS and verdict.suppressed:
            missing = f"{verdict.control} passes only because findings are suppressed."
            yield Step(code, must_fix, verdict.control, missing, _MEND_OR_ACCEPT, True)
    absent = [control.id for control in controls if control.id not in verdicts]
    stale = [verdict.control for verdict in seen if now - verdict.at > FRESH_FOR]
    if absent or stale:
        yield Step(code, must_fix, None, _not_now(absent, stale), manage("assess"))
    states = {verdict.state for verdict in seen}
    if not absent and states <= {Verdict.State.NOT_APPLICABLE}:
        why = "No control applies here." if controls else "No control of the catalogue judges it."
        yield Step(code, must_fix, None, why, "Judge it where it applies, or accept it.", True)


def _of_failure(verdict: Judged) -> tuple[str, str]:
    """What failed and how to mend it, of the first finding; how many others there are."""
    first = verdict.findings[0] if verdict.findings else {}
    others = len(verdict.findings) - 1
    more = f" (and {others} more)" if others > 0 else ""
    what = f"{first.get('subject', '')}: {first.get('detail', '')}".strip(": ")
    return f"{verdict.control} failed: {what}{more}", str(first.get("remedy", ""))


def _not_now(absent: Sequence[str], stale: Sequence[str]) -> str:
    parts = []
    if absent:
        parts.append(f"not judged yet: {', '.join(absent)}")
    if stale:
        parts.append(f"judged more than a day ago: {', '.join(stale)}")
    said = "; ".join(parts)
    return f"{said[0].upper()}{said[1:]}."


def _approvals(code: str, must_fix: bool, proposed: Iterable[Acceptance]) -> Iterator[Step]:
    for acceptance in proposed:
        yield Step(
            code,
            must_fix,
            None,
            f"{acceptance.accepted_by} proposes to accept it until {acceptance.until}.",
            "Another person approves it or lets it be: /admin/risks/acceptance/",
            advice=True,
        )


def _absent(code: str) -> RiskGate:
    missing = "The profile says that it must be fixed, and its register has no such risk."
    step = Step(code, True, None, missing, "Correct the profile and import it again.", True)
    return RiskGate(code, "", None, "", True, OPEN, missing, (step,))


def _word(revision: Revision, rows: Sequence[RiskGate]) -> tuple[str, str]:
    """The evidence gate's word and the sentence that says why."""
    must_fix = [row for row in rows if row.must_fix]
    open_ones = [row.code for row in must_fix if row.state == OPEN]
    waived = [row.code for row in must_fix if row.state == ACCEPTED]
    others = [row.code for row in rows if row.state == OPEN and not row.must_fix]
    if revision.level == UNSTRUCTURED:
        return method.FAIL, "The document names no risk that could be judged."
    if open_ones:
        return method.FAIL, (
            f"{len(open_ones)} of {len(must_fix)} risks that must be fixed are open: "
            f"{', '.join(open_ones)}."
        )
    if others:
        return method.CONCERNS, (
            f"What must be fixed is held or accepted; {len(others)} other risks are open: "
            f"{', '.join(others)}."
        )
    if waived:
        return method.WAIVED, f"Accepted by people, not held: {', '.join(waived)}."
    return method.PASS, f"All {len(rows)} risks are held or accepted."


def _ordered(rows: Sequence[RiskGate]) -> Iterator[Step]:
    """What to do next: judge what was not judged now, then what must be fixed, then the others."""
    steps = [step for row in rows for step in row.steps]
    judging = [step for step in steps if step.do == manage("assess")]
    if judging:
        codes = list(dict.fromkeys(step.risk for step in judging if step.risk))
        yield Step(
            None,
            any(step.must_fix for step in judging),
            None,
            f"There is no verdict of the last day about {', '.join(codes)}.",
            manage("assess"),
        )
    yield from (step for step in steps if step.do != manage("assess"))


def _expires(rows: Iterable[RiskGate]) -> datetime | None:
    """When the first of the verdicts that hold something gets too old."""
    held = [row.seen_at for row in rows if row.state == HELD and row.seen_at]
    return min(held) + FRESH_FOR if held else None
