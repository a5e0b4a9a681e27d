"""Nothing depends on an extension that the server lacks.

Keys are made in Python, and `gen_random_uuid()` is part of PostgreSQL itself. What else a
migration, a type or an operator class needs is named here, and by `migrate` before it changes
anything.
"""

from collections.abc import Iterator

from apps.controls.control import Finding, Level, Scope, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import sql
from apps.controls.scratch import Scratch
from apps.schema.extensions import needs, offers
from apps.schema.records import read_files

_MIGRATION = """
from django.contrib.postgres.operations import CreateExtension
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("controls", "0001_initial")]
    operations = [CreateExtension("{extension}")]
"""
_PATH = "apps/controls/migrations/0099_extension.py"


class _Needs:
    """Adds a migration that creates an extension to the peer's copy of the project."""

    def __init__(self, extension: str) -> None:
        self.extension = extension

    def __call__(self, scratch: Scratch) -> None:
        text = _MIGRATION.format(extension=self.extension)
        (scratch.project / _PATH).write_text(text, encoding="utf-8")


def _removed(scratch: Scratch) -> None:
    (scratch.project / _PATH).unlink()


@control(
    "TECH-006.1",
    "No migration needs an extension that the server cannot give",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "an extension whose files are not there",
            plant=_Needs("no_such_thing"),
            repair=_removed,
            near_miss=_Needs("pg_trgm"),
            subject="no_such_thing",
            peer=True,
        ),
    ),
)
def extensions_are_there(inspection: Inspection) -> Iterator[Finding]:
    wanted = needs(read_files().migrations.values(), inspection.connection)
    offered = offers(inspection.cursor)
    inspection.evidence.update(
        needed=sorted({need.extension for need in wanted}),
        installed=sorted(name for name, offer in offered.items() if offer.installed),
    )
    for need in wanted:
        if need.extension not in offered:
            yield Finding(
                Level.ERROR,
                "The server lacks an extension",
                need.extension,
                f"{need.migration} needs {need.extension}, and the server has no files of it.",
                "Install the package that has it (on Debian postgresql-contrib has many).",
            )


_DEFAULTS = """
SELECT n.nspname || '.' || c.relname || '.' || a.attname, p.proname, e.extname
FROM pg_catalog.pg_attrdef d
JOIN pg_catalog.pg_depend x
  ON x.classid = 'pg_catalog.pg_attrdef'::regclass AND x.objid = d.oid
 AND x.refclassid = 'pg_catalog.pg_proc'::regclass
JOIN pg_catalog.pg_proc p ON p.oid = x.refobjid
JOIN pg_catalog.pg_depend m
  ON m.classid = 'pg_catalog.pg_proc'::regclass AND m.objid = p.oid AND m.deptype = 'e'
JOIN pg_catalog.pg_extension e ON e.oid = m.refobjid
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typname = 'uuid'
JOIN pg_catalog.pg_class c ON c.oid = d.adrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY 1
"""


@control(
    "TECH-006.2",
    "No UUID is made by an extension",
    specimens=(
        Specimen(
            "a key that an extension makes",
            plant=sql(
                "CREATE FUNCTION public.make_key() RETURNS uuid LANGUAGE sql"
                " AS 'SELECT gen_random_uuid()'",
                # As the function of uuid-ossp belongs to it, wherever that is installed.
                "ALTER EXTENSION plpgsql ADD FUNCTION public.make_key()",
                "CREATE TABLE public.made (id uuid PRIMARY KEY DEFAULT public.make_key())",
            ),
            repair=sql("ALTER TABLE public.made ALTER COLUMN id SET DEFAULT gen_random_uuid()"),
            near_miss=sql("CREATE TABLE public.made (id uuid DEFAULT gen_random_uuid())"),
            subject="public.made.id",
        ),
    ),
)
def uuids_need_no_extension(inspection: Inspection) -> Iterator[Finding]:
    inspection.cursor.execute(_DEFAULTS)
    rows = inspection.cursor.fetchall()
    inspection.evidence["columns"] = [column for column, _, _ in rows]
    for column, function, extension in rows:
        table, _, name = column.rpartition(".")
        yield Finding(
            Level.ERROR,
            "A UUID is made by an extension",
            column,
            f"Its default is {function}() of {extension}; a server without it refuses the rows.",
            f'ALTER TABLE {table} ALTER COLUMN "{name}" SET DEFAULT gen_random_uuid();',
        )
