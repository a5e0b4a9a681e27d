"""What the schema promises about its rows is true of all of them.

New code is written against the schema's rules. A constraint left NOT VALID was never checked
against the old rows, one that is NOT ENFORCED is checked against none, and while triggers are
switched off, those of foreign keys among them, rows come in that break what the next version relies
on.
"""

from collections.abc import Iterator

from apps.controls.control import Finding, Level, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import sql
from apps.database.facts.enforcement import (
    DisabledTrigger,
    UnprovenConstraint,
    disabled_triggers,
    trigger_bypasses,
    unproven_constraints,
)
from apps.database.facts.questions import quoted

_TABLES = (
    "CREATE TABLE public.referred (id int PRIMARY KEY)",
    "CREATE TABLE public.planted (id int PRIMARY KEY, referred_id int, amount int)",
    "CREATE INDEX ON public.planted (referred_id)",
)
_KEY = (
    "ALTER TABLE public.planted ADD CONSTRAINT known FOREIGN KEY (referred_id)"
    " REFERENCES public.referred"
)
_CHECK = "ALTER TABLE public.planted ADD CONSTRAINT positive CHECK (amount > 0)"


@control(
    "DATA-003.11",
    "Every constraint is checked against every row",
    specimens=(
        Specimen(
            "a check left NOT VALID",
            plant=sql(*_TABLES, f"{_CHECK} NOT VALID"),
            repair=sql("ALTER TABLE public.planted VALIDATE CONSTRAINT positive"),
            near_miss=sql(*_TABLES, _CHECK),
            subject="public.planted.positive",
        ),
        Specimen(
            "a foreign key left NOT VALID",
            plant=sql(*_TABLES, f"{_KEY} NOT VALID"),
            repair=sql("ALTER TABLE public.planted VALIDATE CONSTRAINT known"),
            near_miss=sql(*_TABLES, f"{_KEY} DEFERRABLE INITIALLY DEFERRED"),
            subject="public.planted.known",
        ),
        Specimen(
            "a domain's rule",
            plant=sql(
                "CREATE DOMAIN public.amount AS int",
                "CREATE TABLE public.planted (id int PRIMARY KEY, amount public.amount)",
                "ALTER DOMAIN public.amount ADD CONSTRAINT positive CHECK (VALUE > 0) NOT VALID",
            ),
            repair=sql("ALTER DOMAIN public.amount VALIDATE CONSTRAINT positive"),
            near_miss=sql("CREATE DOMAIN public.amount AS int CHECK (VALUE > 0)"),
            subject="public.amount.positive",
        ),
        Specimen(
            "a foreign key that nobody enforces",
            plant=sql(*_TABLES, f"{_KEY} NOT ENFORCED"),
            repair=sql("ALTER TABLE public.planted ALTER CONSTRAINT known ENFORCED"),
            near_miss=sql(*_TABLES, f"{_KEY} ENFORCED"),
            subject="public.planted.known",
        ),
    ),
)
def constraints_hold(inspection: Inspection) -> Iterator[Finding]:
    found = unproven_constraints(inspection.cursor)
    inspection.evidence["unproven"] = len(found)
    for constraint in found:
        yield Finding(
            Level.ERROR,
            "A constraint that rows may break",
            constraint.subject,
            "No row is checked against it: it is NOT ENFORCED."
            if not constraint.enforced
            else "Rows from before it was added were never checked: it is NOT VALID.",
            _mended(constraint),
        )


def _mended(constraint: UnprovenConstraint) -> str:
    owner, name = quoted(constraint.schema, constraint.owner), quoted(constraint.name)
    kind = "DOMAIN" if constraint.on_domain else "TABLE"
    if constraint.enforced:
        return f"ALTER {kind} {owner} VALIDATE CONSTRAINT {name};"
    if constraint.kind == "f":
        return f"ALTER {kind} {owner} ALTER CONSTRAINT {name} ENFORCED;"
    return f"ALTER {kind} {owner} DROP CONSTRAINT {name}; and add it again without NOT ENFORCED."


_TRIGGER = (
    "CREATE FUNCTION public.watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    (
        "CREATE TRIGGER watched BEFORE INSERT ON public.planted FOR EACH ROW EXECUTE FUNCTION"
        " public.watch()"
    ),
)
_ENABLE = sql("ALTER TABLE public.planted ENABLE TRIGGER ALL")


@control(
    "DATA-003.12",
    "Triggers and foreign keys are not switched off",
    specimens=(
        Specimen(
            "one trigger",
            plant=sql(*_TABLES, *_TRIGGER, "ALTER TABLE public.planted DISABLE TRIGGER watched"),
            repair=_ENABLE,
            # It is meant for what a replica is sent, and says so.
            near_miss=sql(
                *_TABLES, *_TRIGGER, "ALTER TABLE public.planted ENABLE REPLICA TRIGGER watched"
            ),
            subject="public.planted.watched",
        ),
        Specimen(
            "a foreign key's, with all of the table's",
            plant=sql(*_TABLES, _KEY, "ALTER TABLE public.planted DISABLE TRIGGER ALL"),
            repair=_ENABLE,
            near_miss=sql(
                *_TABLES,
                _KEY,
                *_TRIGGER,
                "ALTER TABLE public.planted ENABLE ALWAYS TRIGGER watched",
            ),
            subject="public.planted.known",
        ),
        Specimen(
            "everybody's, by a setting of a role",
            plant=sql("ALTER ROLE scratch_app SET session_replication_role = 'replica'"),
            repair=sql("ALTER ROLE scratch_app RESET session_replication_role"),
            near_miss=sql("ALTER ROLE scratch_app SET session_replication_role = 'origin'"),
            subject="scratch_app",
        ),
    ),
)
def triggers_are_on(inspection: Inspection) -> Iterator[Finding]:
    found, bypasses = disabled_triggers(inspection.cursor), trigger_bypasses(inspection.cursor)
    inspection.evidence.update(disabled=len(found), bypasses=len(bypasses))
    for trigger in found:
        yield _switched_off(trigger)
    for bypass in bypasses:
        where = "in every database" if bypass.database is None else f"in {bypass.database}"
        yield Finding(
            Level.ERROR,
            "Triggers and foreign keys are switched off for whole sessions",
            bypass.who,
            f"session_replication_role is replica for {bypass.who} {where}: no trigger fires, and "
            "no foreign key is checked.",
            "ALTER SYSTEM RESET session_replication_role; SELECT pg_reload_conf();"
            if bypass.who == "the server"
            else f"ALTER ROLE {'ALL' if bypass.who == 'every role' else quoted(bypass.who)}"
            + (f" IN DATABASE {quoted(bypass.database)}" if bypass.database else "")
            + " RESET session_replication_role;",
        )


def _switched_off(trigger: DisabledTrigger) -> Finding:
    table = quoted(trigger.schema, trigger.table)
    if not trigger.of_foreign_key:
        which = "ALL" if trigger.internal else quoted(trigger.name)
        return Finding(
            Level.ERROR,
            "A trigger is switched off",
            trigger.subject,
            "What it does is done to no row that is written now.",
            f"ALTER TABLE {table} ENABLE TRIGGER {which};",
        )
    return Finding(
        Level.ERROR,
        "A foreign key is not checked",
        trigger.subject,
        "Its triggers are switched off: rows come in that refer to nothing.",
        f"ALTER TABLE {table} ENABLE TRIGGER ALL; then drop the constraint, add it NOT VALID and "
        "VALIDATE it, so that what came in meanwhile is checked.",
    )
