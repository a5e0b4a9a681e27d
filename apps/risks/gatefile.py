"""The gate as the method's file: a mapping with its keys, written as YAML."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.utils.text import slugify

from apps.risks.gate import ACCEPTED, HELD, OPEN, Gate, RiskGate
from apps.risks.method import PRIORITIES, WAIVED
from apps.risks.models import GateDecision, Revision
from config.env import BASE_DIR

FOLDER = BASE_DIR / "docs" / "qa" / "gates"
REVIEWER = "Holdfast (evidence gate)"
# The score's part in the method: what fails costs more than what concerns.
FAILED, CONCERNING = 20, 10
LONGEST_NAME = 120
# JSON's strings are YAML's, but for what YAML wants escaped.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def file_name(revision: Revision) -> str:
    """`{epic}.{story}-{slug}.yml`, whatever stands in the key and the title."""
    key = re.sub(r"[^\w.-]+", "-", revision.profile.key).strip(".-")
    title = re.sub(r"(?i)^risk profile\W*|\bstory\b", " ", revision.title)
    slug = slugify(title.replace(revision.profile.key, " "))
    return f"{key or 'profile'}-{slug or 'gate'}"[:LONGEST_NAME] + ".yml"


def write_gate_file(content: dict[str, Any], revision: Revision, folder: Path) -> Path:
    """Write the file whole into the folder, made when it is not there.

    Raises OSError, or ValueError for a folder that no file system can name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(revision)
    unfinished = path.with_suffix(".yml.unfinished")
    unfinished.write_text(as_yaml(content), encoding="utf-8")
    unfinished.replace(path)
    return path


def gate_content(gate: Gate, decisions: Iterable[GateDecision]) -> dict[str, Any]:
    """The keys that the method requires, then its optional ones; `decisions` newest first."""
    content: dict[str, Any] = {
        "schema": 1,
        "story": gate.revision.profile.key,
        "story_title": gate.revision.title,
        "gate": gate.word,
        "status_reason": gate.reason,
        "reviewer": REVIEWER,
        "updated": _moment(gate.decided_at),
        "top_issues": [_issue(row) for row in gate.risks if row.state == OPEN],
        "waiver": _waiver(gate),
        "risk_summary": _summary(gate),
        "quality_score": _quality(gate),
        "evidence": {
            "document_gate": gate.document,
            "risks_held": _codes(gate, HELD),
            "risks_accepted": _codes(gate, ACCEPTED),
            "risks_open": _codes(gate, OPEN),
        },
        "history": [
            {"at": _moment(row.decided_at), "gate": row.gate, "note": row.reason}
            for row in decisions
        ][::-1],
    }
    return content | ({"expires": _moment(gate.expires)} if gate.expires else {})


def _issue(row: RiskGate) -> dict[str, str]:
    score = row.score or 0
    return {
        "id": row.code,
        "severity": "high" if score >= 6 or row.must_fix else "medium" if score >= 4 else "low",
        "finding": row.why,
        "suggested_action": row.steps[0].do,
    }


def _waiver(gate: Gate) -> dict[str, Any]:
    waived = [row.acceptance for row in gate.risks if row.must_fix and row.acceptance]
    if gate.word != WAIVED:
        return {"active": False}
    return {
        "active": True,
        "reason": " ".join(f"{row.risk.code}: {row.reason}" for row in waived),
        "approved_by": ", ".join(sorted({str(row.approved_by) for row in waived})),
        "expires": min(row.until for row in waived).isoformat(),
    }


def _summary(gate: Gate) -> dict[str, Any]:
    totals = {name.lower(): 0 for name in PRIORITIES if name != "Minimal"}
    for row in gate.risks:
        if row.priority.lower() in totals:
            totals[row.priority.lower()] += 1
    rated = [row for row in gate.risks if row.score is not None]
    summary: dict[str, Any] = {"totals": totals}
    if rated:
        worst = max(rated, key=lambda row: row.score or 0)
        summary["highest"] = {"id": worst.code, "score": worst.score, "title": worst.title}
    actions = {
        must_fix: [f"{row.code}: {row.steps[0].do}" for row in gate.of(OPEN, must_fix=must_fix)]
        for must_fix in (True, False)
    }
    summary["recommendations"] = {"must_fix": actions[True], "monitor": actions[False]}
    return summary


def _quality(gate: Gate) -> int:
    failing = len(gate.of(OPEN, must_fix=True))
    concerning = len(gate.of(OPEN, must_fix=False))
    return max(0, 100 - FAILED * failing - CONCERNING * concerning)


def _codes(gate: Gate, state: str) -> list[str]:
    return [row.code for row in gate.risks if row.state == state]


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def as_yaml(content: dict[str, Any]) -> str:
    """Block style, every text in double quotes: no word of a document can mean anything else."""
    return "\n".join(_lines(content, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _entry(f"{indent}{key}:", item, indent)
    else:
        for item in value:
            if isinstance(item, dict):
                first, *rest = _lines(item, f"{indent}  ")
                yield f"{indent}- {first.strip()}"
                yield from rest
            else:
                yield f"{indent}- {_scalar(item)}"


def _entry(label: str, item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, dict | list) and item:
        yield label
        yield from _lines(item, f"{indent}  ")
    else:
        yield f"{label} {_scalar(item)}"


def _scalar(value: Any) -> str:
    """A number, true, false, null, an empty list or mapping, or a text in quotes."""
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
