"""The live schema is what the models say.

Django records that a migration ran; it does not look whether its result is still there. A column
dropped by hand, a NOT NULL lost or an index gone is found here by comparing the models with the
catalog.
"""

from collections.abc import Collection, Iterator

from apps.controls.control import CannotSee, Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import sql
from apps.schema.drift import COLUMNS, KEYS, compare


@control(
    "TECH-005.1",
    "Tables and columns are the models'",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a column dropped",
            plant=sql("ALTER TABLE controls_assessment DROP COLUMN complete"),
            repair=sql("ALTER TABLE controls_assessment ADD COLUMN complete boolean NOT NULL"),
            near_miss=sql("COMMENT ON COLUMN controls_assessment.complete IS 'a remark'"),
            subject="public.controls_assessment.complete",
        ),
        Specimen(
            "a NOT NULL lost",
            plant=sql("ALTER TABLE controls_verdict ALTER COLUMN state DROP NOT NULL"),
            repair=sql("ALTER TABLE controls_verdict ALTER COLUMN state SET NOT NULL"),
            near_miss=sql("ALTER TABLE controls_verdict ALTER COLUMN state SET DEFAULT 'fail'"),
            subject="public.controls_verdict.state",
        ),
        Specimen(
            "a type widened",
            plant=sql("ALTER TABLE controls_verdict ALTER COLUMN title TYPE varchar(500)"),
            repair=sql("ALTER TABLE controls_verdict ALTER COLUMN title TYPE varchar(200)"),
            near_miss=sql("CREATE TABLE public.elsewhere (title varchar(500))"),
            subject="public.controls_verdict.title",
        ),
    ),
)
def columns_are_the_models(inspection: Inspection) -> Iterator[Finding]:
    yield from _findings(inspection, COLUMNS)


@control(
    "TECH-005.2",
    "Keys, indexes and constraints are the models', valid and validated",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a named index dropped",
            plant=sql("DROP INDEX controls_verdict_risk"),
            repair=sql("CREATE INDEX controls_verdict_risk ON controls_verdict (risk)"),
            near_miss=sql("CREATE INDEX another ON controls_verdict (title)"),
            subject="public.controls_verdict.controls_verdict_risk",
        ),
        Specimen(
            "a constraint dropped",
            plant=sql("ALTER TABLE controls_verdict DROP CONSTRAINT controls_verdict_state"),
            repair=sql(
                "ALTER TABLE controls_verdict ADD CONSTRAINT controls_verdict_state"
                " CHECK (state IN ('pass', 'fail', 'unknown', 'not_applicable'))"
            ),
            near_miss=sql("ALTER TABLE controls_verdict ADD CHECK (duration_ms >= 0)"),
            subject="public.controls_verdict.controls_verdict_state",
        ),
        Specimen(
            "a constraint never validated",
            plant=sql(
                "ALTER TABLE controls_verdict"
                " ADD CONSTRAINT slow CHECK (duration_ms < 1e9) NOT VALID"
            ),
            repair=sql("ALTER TABLE controls_verdict VALIDATE CONSTRAINT slow"),
            near_miss=sql(
                "ALTER TABLE controls_verdict ADD CONSTRAINT slow CHECK (duration_ms < 1e9)"
            ),
            subject="public.controls_verdict.slow",
        ),
    ),
)
def keys_are_the_models(inspection: Inspection) -> Iterator[Finding]:
    yield from _findings(inspection, KEYS)


def _findings(inspection: Inspection, kinds: Collection[str]) -> Iterator[Finding]:
    """The differences of these kinds; nothing found and something unseen is no pass."""
    report = compare(
        inspection.connection, inspection.cursor, app_role=inspection.app_role, kinds=kinds
    )
    inspection.evidence.update(tables=report.tables, unseen=report.unseen)
    if report.unseen and not report.findings:
        raise CannotSee(f"Not everything could be seen: {report.unseen[0]}.")
    for drift in report.findings:
        words = drift.kind.replace("_", " ").capitalize()
        yield Finding(
            Level.ERROR,
            words,
            drift.subject,
            f"Expected {drift.expected or 'nothing'}; found {drift.actual or 'nothing'}.",
            drift.remedy,
        )
