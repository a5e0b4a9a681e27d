"""Removes old evidence from the chain's beginning, and writes down where the rest goes on."""

from dataclasses import dataclass
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from apps.controls.assess import CHAIN_LOCK
from apps.controls.evidence import Break, examine
from apps.controls.models import GENESIS, Assessment, Checkpoint, Verdict, digest_of
from apps.database.connection import acting_as
from apps.database.facts.server import session_role


class ChainBroken(Exception):
    """The part to be removed does not verify; removing it would hide that."""

    def __init__(self, broken: Break) -> None:
        super().__init__(broken.detail)


@dataclass(frozen=True)
class Removal:
    """A part of the chain, from its beginning: first and last place, and the last one's digest."""

    first: int
    last: int
    digest: str
    verdicts: int

    @property
    def assessments(self) -> int:
        return self.last - self.first + 1


def removable(before: datetime) -> Removal | None:
    """The part that is older than the moment, never the newest assessment; None when there is none.

    Only what stands before everything newer: a chain is shortened at its beginning.
    """
    newest = Assessment.objects.newest()
    if newest is None:
        return None
    kept = Assessment.objects.filter(started_at__gte=before).order_by("sequence").first() or newest
    removed = Assessment.objects.filter(sequence__lt=kept.sequence).order_by("sequence")
    first, last = removed.first(), removed.last()
    if first is None or last is None:
        return None
    verdicts = Verdict.objects.filter(assessment__sequence__lt=kept.sequence).count()
    return Removal(first.sequence, last.sequence, last.digest, verdicts)


def prune(before: datetime) -> Removal | None:
    """Remove that part as the owner. Raises ChainBroken before anything is removed."""
    with acting_as("owner"), transaction.atomic():
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s)", [CHAIN_LOCK])
            role = session_role(cursor)
        removal = removable(before)
        if removal is None:
            return None
        breaks = examine(up_to=removal.last).breaks
        if breaks:
            raise ChainBroken(breaks[0])
        _checkpoint(removal, role)
        Verdict.objects.filter(assessment__sequence__lte=removal.last).delete()
        Assessment.objects.filter(sequence__lte=removal.last).delete()
        return removal


def _checkpoint(removal: Removal, role: str) -> None:
    previous = Checkpoint.objects.newest()
    checkpoint = Checkpoint(
        first=removal.first,
        sequence=removal.last,
        digest=removal.digest,
        made_by=role,
        previous_seal=previous.seal if previous else GENESIS,
    )
    checkpoint.seal = digest_of(checkpoint.content())
    checkpoint.save(force_insert=True)
