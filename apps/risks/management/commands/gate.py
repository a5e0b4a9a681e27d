"""Says what the gate of a profile says, and why."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from apps.database.redaction import redact
from apps.risks import method
from apps.risks.decisions import decisions_of, remember
from apps.risks.gate import ACCEPTED, HELD, OPEN, Gate, RiskGate, Step, judge_gate
from apps.risks.gatefile import FOLDER, as_yaml, gate_content, write_gate_file
from apps.risks.lookup import NoSuchProfile, current_revision
from apps.risks.report import printable

EXIT = {method.PASS: 0, method.WAIVED: 0, method.FAIL: 1, method.CONCERNS: 2}
COULD_NOT_RUN = 3
MARKS = {HELD: "✓", ACCEPTED: "~", OPEN: "✗"}
FOR_PROGRAMS = ("json", "yaml")


class Command(BaseCommand):
    help = (
        "Judges a profile at its two gates: the document gate, from the assessed scores alone, "
        "and the evidence gate, which counts. What the profile says must be fixed needs passing "
        "verdicts of the last day or an acceptance that lasts. Writes the method's gate file into "
        "docs/qa/gates unless told otherwise. Exit: 0 PASS or WAIVED, 1 FAIL, 2 CONCERNS, "
        "3 could not run."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("profile", metavar="PROFILE", help="Its story, such as 1.3.")
        parser.add_argument("--format", choices=("table", *FOR_PROGRAMS), default="table")
        parser.add_argument("--into", default=str(FOLDER), metavar="FOLDER")
        parser.add_argument("--no-file", action="store_true", help="Leave no file behind.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            gate = judge_gate(current_revision(options["profile"]), timezone.now())
            remember(gate)
            decisions = decisions_of(gate.revision.profile)
        except NoSuchProfile as error:
            raise CommandError(str(error), returncode=COULD_NOT_RUN) from None
        except DatabaseError as error:
            said = redact(str(error).strip().splitlines()[0])
            raise CommandError(
                f"The register cannot be used: {said}", returncode=COULD_NOT_RUN
            ) from None
        content = gate_content(gate, decisions)
        if options["format"] == "yaml":
            self.stdout.write(as_yaml(content), ending="")
        elif options["format"] == "json":
            self.stdout.write(json.dumps(as_json(gate), indent=2, ensure_ascii=False))
        else:
            for line in lines(gate):
                self.stdout.write(line)
        if not options["no_file"]:
            self._write(content, gate, Path(options["into"]), quiet=options["format"] != "table")
        if EXIT[gate.word]:
            raise CommandError(f"{gate.word}: {gate.reason}", returncode=EXIT[gate.word])

    def _write(self, content: dict[str, Any], gate: Gate, folder: Path, *, quiet: bool) -> None:
        try:
            path = write_gate_file(content, gate.revision, folder)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self.stderr.write(f"No gate file was written into {printable(str(folder))}: {reason}")
            return
        if not quiet:
            self.stdout.write(f"Written: {path}")


def as_json(gate: Gate) -> dict[str, Any]:
    """The gate by the names that scripts rely on."""
    return {
        "profile": gate.revision.profile.key,
        "title": gate.revision.title,
        "revision": gate.revision.number,
        "document_gate": gate.document,
        "gate": gate.word,
        "reason": gate.reason,
        "decided_at": gate.decided_at.isoformat(),
        "expires": gate.expires.isoformat() if gate.expires else None,
        "must_fix": [row.code for row in gate.risks if row.must_fix],
        "risks": [_risk(row) for row in gate.risks],
        "missing": [_step(step) for step in gate.steps],
    }


def _risk(row: RiskGate) -> dict[str, Any]:
    until = row.acceptance.until.isoformat() if row.acceptance else None
    return {
        "code": row.code,
        "title": row.title,
        "score": row.score,
        "must_fix": row.must_fix,
        "state": row.state,
        "why": row.why,
        "accepted_until": until,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "risk": step.risk,
        "must_fix": step.must_fix,
        "control": step.control,
        "missing": step.missing,
        "do": step.do,
    }


def lines(gate: Gate) -> Iterator[str]:
    """The gate for a person: the words, the risks, and what to do next in its order."""
    yield f"{printable(gate.revision.title)}, revision {gate.revision.number}"
    yield f"Document gate  {gate.document}"
    yield f"Evidence gate  {gate.word}: {gate.reason}"
    for must_fix, heading in ((True, "Must be fixed"), (False, "Others")):
        rows = [row for row in gate.risks if row.must_fix is must_fix]
        if rows:
            yield f"\n{heading}"
        for row in rows:
            score = "-" if row.score is None else row.score
            yield (
                f"  {MARKS[row.state]} {row.state:<8} {row.code:<9} {score:>2}  "
                f"{printable(row.title)}"
            )
            if row.state != HELD:
                yield f"               {printable(row.why)}"
    if gate.steps:
        yield "\nWhat to do next"
    for number, step in enumerate(gate.steps, start=1):
        named = "" if step.control or not step.risk else f"{step.risk}: "
        yield f"{number:>3}. {named}{printable(step.missing)}"
        for line in step.do.splitlines():
            yield f"     → {printable(line)}"
