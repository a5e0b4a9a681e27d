"""An assessment as SARIF 2.1.0, which code scanning reads: a rule a control, a result a finding."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from apps.controls.assess import Report
from apps.controls.control import Level, State, Verdict, finding_as_json
from apps.controls.suppressions import KEY

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}
# What a verdict without findings is called there; "open" means that it could not be decided.
KINDS = {State.PASS: "pass", State.UNKNOWN: "open", State.NOT_APPLICABLE: "notApplicable"}
# A database has no file and no line; what shows results wants one, so it gets the control's page.
PAGE = "docs/controls.md"


def sarif(report: Report) -> str:
    return json.dumps(_log(report), indent=2, ensure_ascii=False)


def _log(report: Report) -> dict[str, Any]:
    rules = [
        {
            "id": verdict.control,
            "shortDescription": {"text": verdict.title},
            "properties": {"risk": verdict.risk},
        }
        for verdict in report.verdicts
    ]
    ended_at = report.started_at + timedelta(seconds=report.duration_seconds)
    run = {
        "tool": {"driver": {"name": "Holdfast", "rules": rules}},
        "invocations": [
            {
                "executionSuccessful": True,
                "startTimeUtc": _utc(report.started_at.isoformat()),
                "endTimeUtc": _utc(ended_at.isoformat()),
            }
        ],
        "results": [
            result
            for index, verdict in enumerate(report.verdicts)
            for result in _results(verdict, index)
        ],
        "properties": {
            "database": report.database,
            "role": report.role,
            "serverVersion": report.server_version,
            "totals": report.totals,
        },
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _utc(moment: str) -> str:
    return moment.replace("+00:00", "Z")


def _results(verdict: Verdict, index: int) -> Iterator[dict[str, Any]]:
    rule = {"ruleId": verdict.control, "ruleIndex": index}
    for finding in verdict.findings:
        yield rule | _finding(verdict.control, finding_as_json(finding))
    for said in verdict.evidence.get(KEY, ()):
        suppression = said["suppression"]
        hidden = {
            "kind": "external",
            "status": "accepted",
            "justification": f"{suppression['reason']} ({suppression['owner']}, until "
            f"{suppression['until']})",
        }
        yield rule | _finding(verdict.control, said) | {"suppressions": [hidden]}
    if verdict.state in KINDS:
        yield rule | {
            "kind": KINDS[verdict.state],
            "level": "none",
            "message": {"text": verdict.reason or verdict.title},
        }


def _finding(control: str, finding: Mapping[str, Any]) -> dict[str, Any]:
    text = f"{finding['title']}: {finding['subject']}: {finding['detail']}"
    return {
        "kind": "fail",
        "level": LEVELS[Level(finding["level"])],
        "message": {"text": f"{text}\nRemedy: {finding['remedy']}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": PAGE},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": finding["subject"]}],
            }
        ],
        "partialFingerprints": {
            "subject/v1": _fingerprint((control, finding["subject"], finding["title"]))
        },
    }


def _fingerprint(parts: Sequence[str]) -> str:
    """What a finding is known by in the next run."""
    return hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()
