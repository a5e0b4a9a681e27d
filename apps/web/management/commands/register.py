"""The register in the terminal."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.risks.exposure import Standing
from apps.web.register import Register, build, current_revisions
from config.commands import manage

MARKS = {
    Standing.HELD: "✓ held",
    Standing.FAILING: "✗ failing",
    Standing.UNKNOWN: "? unknown",
    Standing.NOT_JUDGED: "· not judged",
}


class Command(BaseCommand):
    help = "Shows the risks of the newest profile with their current exposure. Exit: 0."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        revisions = current_revisions()
        if not revisions:
            raise CommandError(
                "The register is empty; import a profile: "
                + manage("import_profile docs/risk-profile.md")
            )
        for line in _lines(build(revisions[0], revisions)):
            self.stdout.write(line)


def _lines(register: Register) -> Iterator[str]:
    yield f"\n{register.revision.title}"
    for row in register.rows:
        standing = MARKS[row.exposure.standing]
        assessed = f"{row.risk.priority} {row.risk.score}" if row.risk.score else "not rated"
        yield f"  {row.risk.code:<9} {assessed:<10} {standing:<13} {row.risk.title}"
    yield "  " + " · ".join(f"{count} {word}" for word, count in register.counts.items())
    if register.assessment is None:
        yield "No assessment yet."
    else:
        totals = register.assessment.totals
        yield (
            f"Judged as {register.assessment.role}: {totals['pass']} pass, {totals['fail']} fail, "
            f"{totals['unknown']} unknown, {totals['not_applicable']} not applicable"
        )
    yield "\nWhat to type next, in a second terminal:"
    for suggestion in register.suggestions:
        yield f"  {suggestion.command:<52} # {suggestion.purpose.lower()}"
