"""How an assessment and a self-test are shown: for people, for programs, for what runs in CI."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby

from django.core.management.color import Style, no_style

from apps.controls.assess import Report
from apps.controls.changes import Change
from apps.controls.control import State, Verdict
from apps.controls.junit import junit
from apps.controls.markdown import markdown
from apps.controls.sarif import sarif
from apps.controls.selftest import SelfTestReport
from apps.controls.suppressions import KEY
from apps.controls.words import MARKS, counts, totals_line

INDENT = " " * 23
# Which of Django's styles a state is printed in.
STYLES = {State.PASS: "SUCCESS", State.FAIL: "ERROR", State.UNKNOWN: "WARNING"}
FORMATS = ("table", "json", "junit", "sarif", "markdown")


def render(report: Report, form: str, style: Style | None = None) -> str:
    """The report in one of the FORMATS; only the table has colours."""
    others: dict[str, Callable[[Report], str]] = {
        "json": as_json,
        "junit": junit,
        "sarif": sarif,
        "markdown": markdown,
    }
    return others[form](report) if form in others else table(report, style)


def as_json(report: Report | SelfTestReport) -> str:
    return json.dumps(report.as_json(), indent=2, ensure_ascii=False)


def table(report: Report, style: Style | None = None) -> str:
    """The verdicts grouped by risk, each failure with its findings and remedies."""
    return "\n".join(_table_lines(report, style or no_style()))


def _table_lines(report: Report, style: Style) -> Iterator[str]:
    yield (
        f"{report.database}: PostgreSQL {report.server_version} as {report.role}, "
        f"{report.duration_seconds:.1f} s"
    )
    for risk, group in groupby(report.verdicts, key=lambda verdict: verdict.risk):
        verdicts = list(group)
        yield ""
        yield style.MIGRATE_HEADING(f"{risk}: {counts(Counter(v.state for v in verdicts))}")
        for verdict in verdicts:
            yield f"  {verdict.control:<11} {_mark(verdict, style)} {verdict.title}"
            yield from _details(verdict)
    yield from _change_lines(report.changes)
    yield from _suppression_lines(report, style)
    yield ""
    yield totals_line(report)


def _mark(verdict: Verdict, style: Style) -> str:
    """The state in eight columns; a pass that hides something is marked."""
    word = MARKS[verdict.state] + ("*" if KEY in verdict.evidence else "")
    paint = getattr(style, STYLES.get(verdict.state, ""), str)
    # Colours are no columns: what is painted is padded before.
    return str(paint(f"{word:<8}"))


def _details(verdict: Verdict) -> Iterator[str]:
    if verdict.reason:
        yield f"{INDENT}{verdict.reason}"
    for finding in verdict.findings:
        yield f"{INDENT}{finding.subject}: {finding.detail}"
        yield f"{INDENT}→ {finding.remedy}"
    for said in verdict.evidence.get(KEY, ()):
        suppression = said["suppression"]
        yield (
            f"{INDENT}* {said['subject']}: suppressed until {suppression['until']} by "
            f"{suppression['owner']}: {suppression['reason']}"
        )


def _change_lines(changes: tuple[Change, ...] | None) -> Iterator[str]:
    if changes is None:
        return
    yield ""
    yield "Since the last assessment:" if changes else "Nothing changed since the last assessment."
    for change in changes:
        before = MARKS[change.before] if change.before else "never judged"
        after = MARKS[change.after]
        yield f"  {change.control:<11} {before if before == after else f'{before} → {after}'}"
        yield from (f"{INDENT}+ {subject}: {title}" for subject, title in change.new)
        yield from (f"{INDENT}- {subject}: {title}" for subject, title in change.gone)


def _suppression_lines(report: Report, style: Style) -> Iterator[str]:
    if report.expired or report.unused:
        yield ""
    for entry in report.expired:
        yield style.WARNING(
            f"The suppression of {entry.control} for {entry.subject} ended on {entry.until}: what "
            f"it hid counts again. {entry.owner} gave the reason: {entry.reason}"
        )
    for entry in report.unused:
        yield style.WARNING(
            f"The suppression of {entry.control} for {entry.subject} hides nothing: remove it from "
            "holdfast.toml, or mend its subject."
        )


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
