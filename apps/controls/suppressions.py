"""Findings that somebody looked at and that are no defect here: `holdfast.toml` says which and why.

    [[suppression]]
    control = "PERF-002.1"
    subject = "public.archive_*"
    reason = "Nobody deletes from what the archive points to."
    owner = "the data team"
    until = 2027-06-30

A subject is a pattern of whole subjects in which `*` stands for any text. After its last day a
suppression counts no more, and one that hides nothing is reported.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from apps.controls.control import Finding, State, Verdict, finding_as_json
from config.env import BASE_DIR

FILE = BASE_DIR / "holdfast.toml"
TABLE = "suppression"
WORDS = ("control", "subject", "reason", "owner")
FIELDS = (*WORDS, "until")
LONGEST_TEXT = 1000
# What a finding's subject was hidden by stands under this key of the verdict's evidence.
KEY = "suppressed"


class SuppressionError(Exception):
    """The file cannot be taken at its word; the message is one sentence."""


@dataclass(frozen=True)
class Suppression:
    """One entry of the file."""

    control: str
    subject: str
    reason: str
    owner: str
    until: date

    def covers(self, finding: Finding) -> bool:
        pattern = ".*".join(map(re.escape, self.subject.split("*")))
        return re.fullmatch(pattern, finding.subject, re.DOTALL) is not None

    def as_json(self) -> dict[str, str]:
        return {**asdict(self), "until": self.until.isoformat()}


@dataclass(frozen=True)
class Applied:
    """Verdicts after suppression, and the entries that did nothing, and why."""

    verdicts: tuple[Verdict, ...]
    expired: tuple[Suppression, ...] = ()
    unused: tuple[Suppression, ...] = ()


def read_suppressions(path: Path, known: Iterable[str]) -> list[Suppression]:
    """The entries of a file, in its order. `known` are the ids of the catalogue's controls.

    Raises SuppressionError when there is no such file, or when anything in it is not as expected.
    """
    content = _content(path)
    for word in sorted(content.keys() - {TABLE}):
        raise SuppressionError(
            f"{path.name} holds {_shown(word)}; expected only [[{TABLE}]] tables."
        )
    entries = content.get(TABLE, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SuppressionError(
            f"{path.name}: expected [[{TABLE}]], with two brackets on each side."
        )
    ids = set(known)
    return [
        _suppression(entry, f"{path.name}, suppression {number}", ids)
        for number, entry in enumerate(entries, start=1)
    ]


def _content(path: Path) -> dict[str, Any]:
    try:
        read = path.read_bytes()
    except OSError as error:
        raise SuppressionError(f"{path.name} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise SuppressionError(f"{path.name!r} cannot be the name of a file.") from None
    try:
        return tomllib.loads(read.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise SuppressionError(f"{path.name} is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise SuppressionError(f"{path.name} is not TOML: {str(error)[:200]}.") from None


def _suppression(entry: dict[str, Any], where: str, known: set[str]) -> Suppression:
    for word in sorted(entry.keys() - set(FIELDS)):
        raise SuppressionError(f"{where}: {_shown(word)} is no field; expected {_listed(FIELDS)}.")
    for word in FIELDS:
        if word not in entry:
            raise SuppressionError(f"{where}: {word} is missing; expected {_listed(FIELDS)}.")
    for word in WORDS:
        value = entry[word]
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT:
            raise SuppressionError(
                f"{where}: {word} is {_shown(value)}; expected a text of 1 to {LONGEST_TEXT} "
                "characters in quotes."
            )
    # A datetime is a date to Python.
    if type(entry["until"]) is not date:
        raise SuppressionError(
            f"{where}: until is {_shown(entry['until'])}; expected a date without quotes, such as "
            "2027-06-30."
        )
    if entry["control"] not in known:
        raise SuppressionError(
            f"{where}: control is {_shown(entry['control'])}; expected one of the catalogue, such "
            "as PERF-002.1."
        )
    if not entry["subject"].strip("*"):
        raise SuppressionError(
            f"{where}: the subject {_shown(entry['subject'])} would hide everything; expected the "
            "subject of a finding, such as public.archive_*."
        )
    return Suppression(**entry)


def _shown(value: object) -> str:
    return repr(str(value)[:80]) if isinstance(value, str) else str(value)[:80]


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def suppress(
    verdicts: Iterable[Verdict], suppressions: Sequence[Suppression], today: date
) -> Applied:
    """The verdicts without the findings that a suppression in force covers.

    A failure all of whose findings are covered becomes a pass that lists them in its evidence. An
    entry is unused when its control was judged, could see, and found nothing that it covers.
    """
    in_force = [entry for entry in suppressions if entry.until >= today]
    used: set[Suppression] = set()
    changed = []
    blind: set[str] = set()
    judged: set[str] = set()
    for verdict in verdicts:
        judged.add(verdict.control)
        if verdict.state is State.UNKNOWN:
            blind.add(verdict.control)
        of_control = [entry for entry in in_force if entry.control == verdict.control]
        covered = list(_covered(verdict, of_control))
        used |= {entry for _, entry in covered}
        changed.append(_without(verdict, covered) if covered else verdict)
    return Applied(
        tuple(changed),
        expired=tuple(e for e in suppressions if e.until < today and e.control in judged),
        unused=tuple(e for e in in_force if e.control in judged - blind and e not in used),
    )


def _covered(
    verdict: Verdict, suppressions: Sequence[Suppression]
) -> Iterator[tuple[Finding, Suppression]]:
    """Each finding that is covered, with every entry that covers it."""
    for finding in verdict.findings:
        for entry in suppressions:
            if entry.covers(finding):
                yield finding, entry


def _without(verdict: Verdict, covered: Sequence[tuple[Finding, Suppression]]) -> Verdict:
    by_finding = dict(reversed(covered))
    left = tuple(finding for finding in verdict.findings if finding not in by_finding)
    said = [
        finding_as_json(finding) | {"suppression": by_finding[finding].as_json()}
        for finding in verdict.findings
        if finding in by_finding
    ]
    return replace(
        verdict,
        state=verdict.state if left else State.PASS,
        findings=left,
        evidence={**verdict.evidence, KEY: said},
    )
