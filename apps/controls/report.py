"""How an assessment and a self-test are shown: a table for people, JSON for programs."""

import json
from collections.abc import Iterator

from apps.controls.assess import Report
from apps.controls.control import State, Verdict
from apps.controls.selftest import SelfTestReport

MARKS = {
    State.PASS: "pass",
    State.FAIL: "FAIL",
    State.UNKNOWN: "unknown",
    State.NOT_APPLICABLE: "n/a",
}


def as_json(report: Report | SelfTestReport) -> str:
    return json.dumps(report.as_json(), indent=2, ensure_ascii=False)


def table(report: Report) -> str:
    """The verdicts grouped by risk, each failure with its findings and remedies."""
    return "\n".join(_table_lines(report))


def _table_lines(report: Report) -> Iterator[str]:
    yield (
        f"{report.database}: PostgreSQL {report.server_version} as {report.role}, "
        f"{report.duration_seconds:.1f} s"
    )
    risk = ""
    for verdict in report.verdicts:
        if verdict.risk != risk:
            risk = verdict.risk
            yield ""
        yield f"  {verdict.control:<11} {MARKS[verdict.state]:<8} {verdict.title}"
        yield from _details(verdict)
    yield ""
    totals = report.totals
    yield (
        f"{totals['pass']} pass · {totals['fail']} fail · {totals['unknown']} unknown · "
        f"{totals['not_applicable']} not applicable"
    )


def _details(verdict: Verdict) -> Iterator[str]:
    indent = " " * 23
    if verdict.reason:
        yield f"{indent}{verdict.reason}"
    for finding in verdict.findings:
        yield f"{indent}{finding.subject}: {finding.detail}"
        yield f"{indent}→ {finding.remedy}"


def self_test_table(report: SelfTestReport) -> str:
    return "\n".join(_self_test_lines(report))


def _self_test_lines(report: SelfTestReport) -> Iterator[str]:
    for survivor in report.failures:
        yield f"SURVIVED {survivor.control} {survivor.specimen!r}"
        yield f"         expected {survivor.expected}; got {survivor.got}"
    for item in report.not_run:
        yield f"not run  {item.control} {item.specimen!r}: needs {item.needs}"
    run = report.specimens - len(report.not_run)
    rate = 100 * report.killed / run if run else 0
    yield (
        f"{report.controls} controls, {report.specimens} specimens: {report.killed} of {run} "
        f"killed ({rate:.0f} %), {len(report.not_run)} not run"
    )
