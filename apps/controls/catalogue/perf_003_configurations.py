"""A text is taken apart and sought by one and the same configuration.

`english` stores "indexes" as "index", `simple` stores it as it stands: whoever seeks by the one
what was stored by the other finds nothing, and no error says so. Queries that name no configuration
get the default of their session, which somebody may have set for a role or a database.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from apps.controls.control import CannotSee, Finding, Level, Specimen, control
from apps.controls.inspection import Inspection
from apps.controls.planting import sql
from apps.database.facts.errors import NoAnswer
from apps.database.facts.functions import functions_with
from apps.database.facts.questions import quoted
from apps.database.facts.search_configuration import (
    Vectoriser,
    calls_of,
    chosen_defaults,
    plain,
    vectorisers,
)
from apps.database.facts.server import extensions, setting
from apps.database.facts.statement_texts import statement_texts

_QUERY_CALL = re.compile(r"\b(?:plainto_|phraseto_|websearch_)?to_tsquery\s*\(", re.IGNORECASE)
_TABLE = (
    (
        "CREATE TABLE public.planted (id int PRIMARY KEY, body text, words tsvector"
        " GENERATED ALWAYS AS (to_tsvector('english', coalesce(body, ''))) STORED)"
    ),
    "CREATE INDEX ON public.planted USING gin (words)",
)
_FILLED = "CREATE TABLE public.planted (id int PRIMARY KEY, body text, words tsvector)"
_FILL = (
    "CREATE TRIGGER {} BEFORE {} ON public.planted FOR EACH ROW EXECUTE FUNCTION"
    " tsvector_update_trigger(words, 'pg_catalog.{}', body)"
)
_OWN = (
    (
        "CREATE FUNCTION public.fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " NEW.words := to_tsvector({}NEW.body); RETURN NEW; END $$"
    ),
    (
        "CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON public.planted FOR EACH ROW"
        " EXECUTE FUNCTION public.fill()"
    ),
)
_SEEK = (
    "CREATE FUNCTION public.seek(wanted text) RETURNS SETOF int LANGUAGE sql AS"
    " $$ SELECT id FROM public.planted WHERE words @@ to_tsquery({}wanted) $$"
)
_DATABASE = "ALTER DATABASE holdfast_scratch SET default_text_search_config = '{}'"
_RESET = "ALTER DATABASE holdfast_scratch RESET default_text_search_config"


@control(
    "PERF-003.3",
    "Texts are taken apart and sought by the same configuration",
    specimens=(
        Specimen(
            "a column by one, an index of the same text by another",
            plant=sql(
                *_TABLE,
                "CREATE INDEX odd ON public.planted USING gin (to_tsvector('simple', body))",
            ),
            repair=sql("DROP INDEX public.odd"),
            near_miss=sql(
                # Two languages, each with a column and an index of its own.
                *_TABLE,
                "ALTER TABLE public.planted ADD german tsvector GENERATED ALWAYS AS"
                " (to_tsvector('german', coalesce(body, ''))) STORED",
                "CREATE INDEX ON public.planted USING gin (german)",
                "ALTER TABLE public.planted ADD code text",
                "CREATE INDEX ON public.planted USING gin (to_tsvector('simple', code))",
            ),
            subject="public.planted.odd",
        ),
        Specimen(
            "new rows by one, changed rows by another",
            plant=sql(
                _FILLED,
                _FILL.format("made", "INSERT", "english"),
                _FILL.format("changed", "UPDATE", "simple"),
            ),
            repair=sql(
                "DROP TRIGGER changed ON public.planted",
                _FILL.format("changed", "UPDATE", "english"),
            ),
            near_miss=sql(
                _FILLED,
                _FILL.format("made", "INSERT", "english"),
                _FILL.format("changed", "UPDATE", "english"),
            ),
            subject="public.planted.words",
        ),
        Specimen(
            "the database was given another default",
            plant=sql(*_TABLE, _DATABASE.format("pg_catalog.german")),
            repair=sql(_RESET),
            near_miss=sql(*_TABLE, _DATABASE.format("pg_catalog.english")),
            subject="public.planted.words",
        ),
        Specimen(
            "a function that seeks by the default",
            plant=sql(*_TABLE, _SEEK.format("")),
            repair=sql("DROP FUNCTION public.seek(text)", _SEEK.format("'english', ")),
            near_miss=sql(*_TABLE, _SEEK.format("'english'::regconfig, ")),
            subject="public.planted.words",
        ),
        Specimen(
            "a trigger leaves it to whoever writes",
            plant=sql(
                _FILLED,
                *(statement.format("") for statement in _OWN),
                "ALTER ROLE scratch_app SET default_text_search_config = 'pg_catalog.german'",
            ),
            repair=sql("ALTER ROLE scratch_app RESET default_text_search_config"),
            near_miss=sql(
                _FILLED,
                *(statement.format("'german', ") for statement in _OWN),
                "ALTER ROLE scratch_app SET default_text_search_config = 'pg_catalog.german'",
            ),
            subject="public.planted.words",
        ),
        Specimen(
            "statements that name none",
            plant=sql(
                "CREATE EXTENSION pg_stat_statements",
                *_TABLE,
                "SELECT id FROM public.planted WHERE words @@ to_tsquery('sought')",
            ),
            repair=sql("SELECT pg_stat_statements_reset()"),
            near_miss=sql(
                "CREATE EXTENSION pg_stat_statements",
                "SELECT pg_stat_statements_reset()",
                *_TABLE,
                "SELECT id FROM public.planted WHERE words @@ to_tsquery('english', 'sought')",
            ),
            subject="public.planted.words",
            needs="statements",
        ),
    ),
)
def configurations_agree(inspection: Inspection) -> Iterator[Finding]:
    made = vectorisers(inspection.cursor)
    default = plain(setting(inspection.cursor, "default_text_search_config") or "simple")
    chosen = chosen_defaults(inspection.cursor)
    inspection.evidence.update(
        configurations={item.subject: sorted(item.configurations) for item in made},
        default=default,
        chosen=[f"{role}: {name}" for role, name in chosen],
    )
    tables = defaultdict(list)
    for item in made:
        tables[item.schema, item.table].append(item)
    found = [finding for items in tables.values() for finding in _at_odds(items)]
    known = frozenset().union(*(item.configurations for item in made))
    # A default that fits one text is meant for that one; whatever names none gets it all the same.
    strangers = [(role, name) for role, name in chosen if name not in known]
    for item in made:
        found += _left_open(item, default, chosen if item.names_none else strangers)
    yield from found
    strange = [i for i in made if i.configurations and default not in i.configurations]
    yield from _sought_otherwise(inspection, strange, default, found)


def _at_odds(items: list[Vectoriser]) -> Iterator[Finding]:
    """What takes the same text of one table apart by two configurations."""
    stored = [item for item in items if item.column is not None]
    for index in (item for item in items if item.kind == "index"):
        for column in stored:
            if index.sources & column.sources and _differ(index, column):
                yield _mismatch(index.subject, _by(index), f"{column.column} {_by(column)}")
    for number, first in enumerate(stored):
        for second in stored[number + 1 :]:
            if first.column == second.column and _differ(first, second):
                words = f"the {second.kind} {second.name} {_by(second)}"
                yield _mismatch(first.subject, f"{_by(first)} by {first.name}", words)


def _differ(one: Vectoriser, other: Vectoriser) -> bool:
    both = one.configurations and other.configurations
    return bool(both) and not one.configurations & other.configurations


def _by(item: Vectoriser) -> str:
    return f"by {', '.join(sorted(item.configurations))}"


def _mismatch(subject: str, here: str, there: str) -> Finding:
    return Finding(
        Level.ERROR,
        "One text, two configurations",
        subject,
        f"The text is taken apart {here}, and {there}: words of the one do not meet the other's.",
        "Decide for one configuration, make the odd one anew with it, and name it in every query.",
    )


def _left_open(item: Vectoriser, default: str, chosen: list[tuple[str, str]]) -> Iterator[Finding]:
    """What a default that somebody chose for a role or a database does not fit."""
    fitting = item.configurations or frozenset({default} if item.names_none else ())
    for role, name in chosen:
        if fitting and name not in fitting:
            yield Finding(
                Level.WARNING,
                "A session's default configuration does not fit",
                item.subject,
                f"The text is taken apart by {', '.join(sorted(fitting))}; {role} was given "
                f"{name}, by which queries seek that name none"
                + (f", and {item.name} writes." if item.names_none else "."),
                f"ALTER {'DATABASE' if role == 'every role' else 'ROLE'} … RESET "
                "default_text_search_config; and name the configuration in every query and "
                "trigger.",
            )


def _sought_otherwise(
    inspection: Inspection, strange: list[Vectoriser], default: str, found: Iterable[Finding]
) -> Iterator[Finding]:
    """Queries that name no configuration, where the default is none of the text's own."""
    if not strange:
        return
    texts = [(f.name, f.source) for f in functions_with(inspection.cursor, "to_tsquery")]
    unseen = ""
    try:
        texts += [("a statement", s.text) for s in statement_texts(inspection.cursor, "to_tsquery")]
    except NoAnswer as answer:
        unseen = str(answer)
    inspection.evidence["statements"] = unseen or "seen"
    seen = False
    for item in strange:
        where = next((name for name, text in texts if _names_none(text, item.table)), None)
        if where is not None:
            seen = True
            yield Finding(
                Level.ERROR,
                "A query seeks by another configuration",
                item.subject,
                f"The text is taken apart {_by(item)}; {where} names no configuration and seeks by "
                f"the session's default, {default}.",
                f"to_tsquery('{sorted(item.configurations)[0]}', …), in the query on "
                f"{quoted(item.schema, item.table)}.",
            )
    hidden = unseen and "pg_stat_statements" in extensions(inspection.cursor)
    if hidden and not seen and not list(found):
        raise CannotSee(unseen)


def _names_none(text: str, table: str) -> bool:
    """Whether a text that names the table seeks words and leaves the configuration open."""
    if not re.search(rf"\b{re.escape(table)}\b", text):
        return False
    return any(len(arguments) == 1 for arguments in calls_of(text, _QUERY_CALL))
