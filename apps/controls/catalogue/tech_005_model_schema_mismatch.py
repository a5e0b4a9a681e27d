"""The live schema is what the models say.

Django records that a migration ran; it does not look whether its result is still there. A column
dropped by hand, a NOT NULL lost or an index gone is found here by comparing the models with the
catalog.
"""

from collections.abc import Collection, Iterator

from apps.controls.control import CannotSee, Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import append, edit, original, sql
from apps.schema.drift import COLUMNS, KEYS, RECORDS, STRAYS, VALUES, compare


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


@control(
    "TECH-005.3",
    "Migrations, their records and the models agree",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "recorded, and there is no file",
            plant=sql(
                "INSERT INTO django_migrations (app, name, applied)"
                " VALUES ('controls', '0099_lost', now())"
            ),
            repair=sql("DELETE FROM django_migrations WHERE name = '0099_lost'"),
            near_miss=sql("UPDATE django_migrations SET applied = now() - interval '9 years'"),
            subject="django_migrations.controls.0099_lost",
        ),
        Specimen(
            "a file, and it is not recorded",
            plant=sql("DELETE FROM django_migrations WHERE app = 'sessions'"),
            repair=sql(
                "INSERT INTO django_migrations (app, name, applied)"
                " VALUES ('sessions', '0001_initial', now())"
            ),
            near_miss=sql("COMMENT ON TABLE django_migrations IS 'a remark'"),
            subject="django_migrations.sessions.0001_initial",
        ),
        Specimen(
            "a model changed without a migration",
            plant=edit("apps/controls/models.py", "max_length=63", "max_length=64"),
            repair=original("apps/controls/models.py"),
            near_miss=append("apps/controls/models.py", "\n# A remark.\n"),
            subject="controls.assessment",
            peer=True,
        ),
    ),
)
def records_agree(inspection: Inspection) -> Iterator[Finding]:
    yield from _findings(inspection, RECORDS)


@control(
    "TECH-005.4",
    "Nothing stands in the schema that no model and no migration made",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a rogue table",
            plant=sql("CREATE TABLE public.copy_of_people (id int)"),
            repair=sql("DROP TABLE public.copy_of_people"),
            near_miss=sql("CREATE SCHEMA elsewhere", "CREATE TABLE elsewhere.people (id int)"),
            subject="public.copy_of_people",
        ),
        Specimen(
            "an index of nobody",
            plant=sql("CREATE INDEX by_hand ON controls_verdict (title)"),
            repair=sql("DROP INDEX by_hand"),
            near_miss=sql("ALTER INDEX controls_verdict_risk SET TABLESPACE pg_default"),
            subject="public.controls_verdict.by_hand",
        ),
        Specimen(
            "a constraint of nobody",
            plant=sql("ALTER TABLE controls_verdict ADD CONSTRAINT slow CHECK (duration_ms < 1e9)"),
            repair=sql("ALTER TABLE controls_verdict DROP CONSTRAINT slow"),
            near_miss=sql(
                "ALTER TABLE controls_verdict DROP CONSTRAINT controls_verdict_state,"
                " ADD CONSTRAINT controls_verdict_state CHECK"
                " (state = ANY (ARRAY['pass', 'fail', 'unknown', 'not_applicable']))"
            ),
            subject="public.controls_verdict.slow",
        ),
    ),
)
def nothing_is_stray(inspection: Inspection) -> Iterator[Finding]:
    yield from _findings(inspection, STRAYS)


@control(
    "TECH-005.5",
    "Defaults, generated columns, identities, collations and comments are the models'",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "a stray default",
            plant=sql("ALTER TABLE controls_verdict ALTER COLUMN state SET DEFAULT 'pass'"),
            repair=sql("ALTER TABLE controls_verdict ALTER COLUMN state DROP DEFAULT"),
            near_miss=sql("ALTER TABLE controls_verdict ALTER COLUMN state SET STATISTICS 200"),
            subject="public.controls_verdict.state",
        ),
        Specimen(
            "a key that SQL can no more make",
            plant=sql("ALTER TABLE controls_verdict ALTER COLUMN id DROP DEFAULT"),
            repair=sql(
                "ALTER TABLE controls_verdict ALTER COLUMN id SET DEFAULT gen_random_uuid()"
            ),
            near_miss=sql(
                "ALTER TABLE controls_verdict ALTER COLUMN id"
                " SET DEFAULT pg_catalog.gen_random_uuid()"
            ),
            subject="public.controls_verdict.id",
        ),
        Specimen(
            "an identity gone",
            plant=sql("ALTER TABLE auth_group ALTER COLUMN id DROP IDENTITY"),
            repair=sql(
                "ALTER TABLE auth_group ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY"
            ),
            near_miss=sql("ALTER TABLE auth_group ALTER COLUMN id RESTART WITH 1000"),
            subject="public.auth_group.id",
        ),
    ),
)
def values_are_the_models(inspection: Inspection) -> Iterator[Finding]:
    yield from _findings(inspection, VALUES)


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
