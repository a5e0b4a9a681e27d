"""An assessment as Markdown: a page for a pull request or a CI job's summary."""

import re
from collections.abc import Iterator
from itertools import groupby

from apps.controls.assess import Report
from apps.controls.changes import Change
from apps.controls.control import Finding, Verdict
from apps.controls.suppressions import KEY
from apps.controls.words import NAMES, totals_line

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")


def markdown(report: Report) -> str:
    return "\n".join(_lines(report)).rstrip() + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# Assessment of {_words(report.database)}\n"
    yield (
        f"PostgreSQL {_words(report.server_version)} as {_words(report.role)}, "
        f"{report.started_at:%Y-%m-%d %H:%M} UTC, {report.duration_seconds:.1f} s: "
        f"**{totals_line(report)}**\n"
    )
    yield from _change_lines(report.changes)
    for risk, group in groupby(report.verdicts, key=lambda verdict: verdict.risk):
        yield f"## {risk}\n\n| Control | Verdict | |\n|---|---|---|"
        verdicts = list(group)
        for verdict in verdicts:
            said = f" {_words(verdict.reason)}" if verdict.reason else ""
            yield f"| {verdict.control} | {_state(verdict)} | {_words(verdict.title)}.{said} |"
        yield ""
        for verdict in verdicts:
            yield from _details(verdict)
    for word, entries in (("expired", report.expired), ("unused", report.unused)):
        for entry in entries:
            yield f"- {word} suppression: {entry.control} {_words(entry.subject)}, {entry.until}"


def _state(verdict: Verdict) -> str:
    name = NAMES[verdict.state]
    word = f"**{name}**" if verdict.findings else name
    return f"{word}, {len(verdict.evidence[KEY])} suppressed" if KEY in verdict.evidence else word


def _details(verdict: Verdict) -> Iterator[str]:
    for finding in verdict.findings:
        yield from _finding(verdict.control, finding)
    for said in verdict.evidence.get(KEY, ()):
        suppression = said["suppression"]
        yield (
            f"- {verdict.control}: {_words(said['subject'])} is suppressed until "
            f"{suppression['until']} by {_words(suppression['owner'])}: "
            f"{_words(suppression['reason'])}\n"
        )


def _finding(control: str, finding: Finding) -> Iterator[str]:
    yield f"- {control}, {finding.level}: {_words(finding.subject)}: {_words(finding.detail)}\n"
    # A fence longer than any in the text cannot be closed by it.
    longest = max((len(run) for run in re.findall("`+", finding.remedy)), default=0)
    fence = "`" * max(3, longest + 1)
    indented = finding.remedy.replace("\n", "\n  ")
    yield f"  {fence}\n  {indented}\n  {fence}\n"


def _change_lines(changes: tuple[Change, ...] | None) -> Iterator[str]:
    if changes is None:
        return
    yield "## Since the last assessment\n"
    if not changes:
        yield "Nothing changed.\n"
    for change in changes:
        before = NAMES[change.before] if change.before else "never judged"
        yield f"- {change.control}: {before} → {NAMES[change.after]}"
        yield from (f"  - new: {_words(subject)}: {_words(title)}" for subject, title in change.new)
        yield from (
            f"  - gone: {_words(subject)}: {_words(title)}" for subject, title in change.gone
        )
    if changes:
        yield ""


def _words(text: str) -> str:
    """Text that means nothing to Markdown, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
