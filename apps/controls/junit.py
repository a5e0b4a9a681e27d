"""An assessment as JUnit's XML, which every CI reads: a suite a risk, a test case a control."""

import re
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from apps.controls.assess import Report
from apps.controls.control import Finding, State, Verdict
from apps.controls.suppressions import KEY

# What XML 1.0 cannot hold, not even escaped.
_IMPOSSIBLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """Failures are failures, unknowns are errors, what does not apply is skipped."""
    root = Element("testsuites", name=_text(f"assess {report.database}"))
    _count(root, report.verdicts)
    for risk, group in groupby(report.verdicts, key=lambda verdict: verdict.risk):
        verdicts = list(group)
        suite = SubElement(root, "testsuite", name=risk)
        _count(suite, verdicts)
        suite.set("timestamp", report.started_at.strftime("%Y-%m-%dT%H:%M:%S"))
        for verdict in verdicts:
            _case(suite, verdict)
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True)


def _count(element: Element, verdicts: "tuple[Verdict, ...] | list[Verdict]") -> None:
    states = [verdict.state for verdict in verdicts]
    element.set("tests", str(len(states)))
    element.set("failures", str(states.count(State.FAIL)))
    element.set("errors", str(states.count(State.UNKNOWN)))
    element.set("skipped", str(states.count(State.NOT_APPLICABLE)))
    element.set("time", f"{sum(verdict.duration_ms for verdict in verdicts) / 1000:.3f}")


def _case(suite: Element, verdict: Verdict) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=f"holdfast.{verdict.risk}",
        name=_text(f"{verdict.control} {verdict.title}"),
        time=f"{verdict.duration_ms / 1000:.3f}",
    )
    reason = _text(verdict.reason or "")
    if verdict.state is State.FAIL:
        number = len(verdict.findings)
        first = verdict.findings[0]
        more = f" and {number - 1} more" if number > 1 else ""
        failure = SubElement(case, "failure", type=str(first.level))
        failure.set("message", _text(f"{first.title}: {first.subject}{more}"))
        failure.text = _text("\n\n".join(map(_finding, verdict.findings)))
    elif verdict.state is State.UNKNOWN:
        SubElement(case, "error", type="unknown", message=reason).text = reason
    elif verdict.state is State.NOT_APPLICABLE:
        SubElement(case, "skipped", message=reason)
    hidden = verdict.evidence.get(KEY, ())
    if hidden:
        lines = (
            f"suppressed: {said['subject']}, until {said['suppression']['until']}, by "
            f"{said['suppression']['owner']}: {said['suppression']['reason']}"
            for said in hidden
        )
        SubElement(case, "system-out").text = _text("\n".join(lines))


def _finding(finding: Finding) -> str:
    return f"{finding.level}: {finding.subject}\n{finding.detail}\n{finding.remedy}"


def _text(text: str) -> str:
    return _IMPOSSIBLE.sub("\ufffd", text)
