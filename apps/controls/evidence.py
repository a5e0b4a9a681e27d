"""Whether the evidence is whole: every row against its digest, every digest against the next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from apps.controls.discovery import place_of
from apps.controls.models import GENESIS, Assessment, Checkpoint, Verdict, digest_of
from apps.database.chains import Head

CHAIN = Assessment._meta.db_table
WHOLE, BROKEN, UNKNOWN = "whole", "broken", "unknown"
# Until TIME_ZONE was set, moments were written down in Django's default zone.
FORMER_ZONE = ZoneInfo("America/Chicago")
# Of an assessment with its verdicts; memory stays bounded however long the chain is.
AT_ONCE = 50


@dataclass(frozen=True)
class Outside:
    """A head that somebody outside the chain remembers, and who."""

    head: Head
    source: str


@dataclass(frozen=True)
class Break:
    """A place where the chain breaks: at which assessment, and what is wrong there."""

    sequence: int
    kind: str
    detail: str


@dataclass
class Examination:
    """What verifying has found; `confirmed` is the last place that somebody outside vouches for."""

    count: int = 0
    first: int | None = None
    head: Head | None = None
    removed_up_to: int = 0
    confirmed: int = 0
    confirmed_by: str = ""
    breaks: list[Break] = field(default_factory=list)

    @property
    def tail(self) -> int:
        """How many places lie behind the last one that somebody outside vouches for."""
        return max(0, (self.head.sequence if self.head else 0) - self.confirmed)

    @property
    def state(self) -> str:
        """Whole, broken, or unknown: what was cut off an end that nobody remembers is not seen."""
        if self.breaks:
            return BROKEN
        return WHOLE if self.confirmed and not self.tail else UNKNOWN

    def as_json(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "assessments": self.count,
            "first": self.first,
            "last": self.head.sequence if self.head else None,
            "head": str(self.head) if self.head else None,
            "removed_up_to": self.removed_up_to,
            "confirmed": self.confirmed or None,
            "confirmed_by": self.confirmed_by or None,
            "unconfirmed": self.tail,
            "breaks": [
                {"sequence": b.sequence, "kind": b.kind, "detail": b.detail} for b in self.breaks
            ],
        }


def examine(outside: Sequence[Outside] = (), *, up_to: int | None = None) -> Examination:
    """Verify the chain from its beginning or newest checkpoint, to its end or to a place.

    Inside a transaction of one snapshot it tells of one moment. Raises DatabaseError.
    """
    found = Examination()
    found.breaks += _broken_checkpoints()
    checkpoint = Checkpoint.objects.newest()
    expected, previous = 1, GENESIS
    digests: dict[int, str] = {}
    if checkpoint is not None:
        found.removed_up_to = checkpoint.sequence
        expected, previous = checkpoint.sequence + 1, checkpoint.digest
        found.head = Head(checkpoint.sequence, checkpoint.digest)
        digests[checkpoint.sequence] = checkpoint.digest
    wanted = {item.head.sequence for item in outside}
    rows = Assessment.objects.order_by("sequence").prefetch_related("verdicts")
    if up_to is not None:
        rows = rows.filter(sequence__lte=up_to)
    for assessment in rows.iterator(chunk_size=AT_ONCE):
        found.breaks += _broken_at(assessment, expected, previous)
        found.count += 1
        found.first = assessment.sequence if found.first is None else found.first
        expected, previous = assessment.sequence + 1, assessment.digest
        found.head = Head(assessment.sequence, assessment.digest)
        if assessment.sequence in wanted:
            digests[assessment.sequence] = assessment.digest
    _compare(found, outside, digests)
    return found


def _broken_checkpoints() -> Iterator[Break]:
    first, previous_seal = 1, GENESIS
    for checkpoint in Checkpoint.objects.order_by("sequence"):
        if digest_of(checkpoint.content()) != checkpoint.seal:
            yield Break(checkpoint.sequence, "changed", f"The checkpoint of {checkpoint} changed.")
        elif (checkpoint.first, checkpoint.previous_seal) != (first, previous_seal):
            yield Break(
                checkpoint.sequence,
                "missing",
                f"The checkpoint of {checkpoint} does not go on from the one before it; a "
                "checkpoint was removed or inserted.",
            )
        first, previous_seal = checkpoint.sequence + 1, checkpoint.seal


def _broken_at(assessment: Assessment, expected: int, previous: str) -> Iterator[Break]:
    place = assessment.sequence
    if place > expected:
        gone = f"Assessment {expected} is" if place == expected + 1 else _range(expected, place - 1)
        told = " and no checkpoint tells of their removal" if previous == GENESIS else ""
        yield Break(expected, "missing", f"{gone} missing before {place}{told}.")
    elif place < expected:
        yield Break(
            place, "inserted", f"Assessment {place} stands where the chain begins at {expected}."
        )
    elif assessment.previous_digest != previous:
        yield Break(
            place,
            "unlinked",
            f"Assessment {place} goes on from {_short(assessment.previous_digest)}, and what "
            f"stands before it is {_short(previous)}: one of the two was replaced.",
        )
    yield from _broken_rows(assessment)


def _broken_rows(assessment: Assessment) -> Iterator[Break]:
    """What in the assessment's own rows does not fit its digests."""
    place = assessment.sequence
    verdicts = sorted(assessment.verdicts.all(), key=lambda verdict: place_of(verdict.control))
    changed = [verdict for verdict in verdicts if digest_of(verdict.content()) != verdict.digest]
    number = _wrong_number(assessment, len(verdicts))
    if number:
        yield Break(place, *number)
    for verdict in changed:
        yield Break(
            place, "changed", f"The verdict {verdict.control} of assessment {place} was changed."
        )
    if not number and not _fits(assessment, verdicts):
        words = f"Assessment {place}, or one of its verdicts, was changed: no digest fits."
        yield Break(place, "changed", words)


def _fits(assessment: Assessment, verdicts: list[Verdict]) -> bool:
    digests = [verdict.digest for verdict in verdicts]
    return assessment.digest in (
        digest_of(assessment.content(digests)),
        digest_of(assessment.content(digests, FORMER_ZONE)),
    )


def _wrong_number(assessment: Assessment, verdicts: int) -> tuple[str, str] | None:
    """Whether a verdict was removed or inserted; the totals were counted when it was recorded."""
    place = assessment.sequence
    totals = assessment.totals if isinstance(assessment.totals, dict) else {}
    stated = sum(value for value in totals.values() if isinstance(value, int))
    counted = f"its totals count {stated} verdicts, and it has {verdicts}"
    if verdicts < stated:
        return "missing", f"A verdict of assessment {place} was removed: {counted}."
    if verdicts > stated:
        return "inserted", f"A verdict of assessment {place} was inserted: {counted}."
    return None


def _compare(found: Examination, outside: Sequence[Outside], digests: dict[int, str]) -> None:
    """Hold what others remember against the chain."""
    last = found.head.sequence if found.head else 0
    for item in sorted(outside, key=lambda item: item.head.sequence):
        place, digest = item.head.sequence, item.head.digest
        if place > last:
            gone = f"Assessment {place} is" if place == last + 1 else _range(last + 1, place)
            found.breaks.append(
                Break(last + 1, "missing", f"{gone} missing; {item.source} remembers {place}.")
            )
        elif place in digests and digests[place] != digest:
            found.breaks.append(
                Break(
                    place,
                    "replaced",
                    f"Assessment {place} has the digest {_short(digests[place])}; {item.source} "
                    f"remembers {_short(digest)}: the chain was written anew up to there.",
                )
            )
        elif place in digests:
            found.confirmed, found.confirmed_by = place, item.source


def _range(first: int, last: int) -> str:
    return f"Assessments {first} to {last} are"


def _short(digest: str) -> str:
    return f"{digest[:12]}…"
