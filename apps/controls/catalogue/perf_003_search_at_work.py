"""Searches that people really make are answered by an index.

What stands in the middle of a text, `ILIKE '%word%'`, no ordinary index finds: only one of trigrams
does, of the text as it is or, for Django's `icontains`, of its capitals. And a model's full-text
search is proven by the planner, which must reach its rows through the index of words.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib.postgres.indexes import GinIndex, GistIndex
from django.contrib.postgres.search import SearchVectorField
from django.db.models import Field, Model, QuerySet
from django.db.models.expressions import OrderBy

from apps.controls.control import CannotSee, Finding, Level, Scope, Specimen, control
from apps.controls.hot_queries import declared_queries
from apps.controls.inspection import Inspection
from apps.controls.planting import edit, original, sql
from apps.database.facts.near_spelling import text_columns, unindexed_searches
from apps.database.facts.plans import table_scans
from apps.database.facts.questions import quoted

# Below it reading the whole table is as fast.
LARGE_ROWS = 10_000
# A search that somebody made by hand does not count.
FEWEST_CALLS = 10
METHODS = frozenset({"gin", "gist", "rum"})
_TABLE = (
    "CREATE EXTENSION pg_stat_statements",
    "SELECT pg_stat_statements_reset()",
    "CREATE TABLE public.planted (id int PRIMARY KEY, title text, number int)",
    "INSERT INTO public.planted SELECT n, 'title ' || n, n FROM generate_series(1, 10000) n",
    "CREATE TABLE public.few (id int PRIMARY KEY, remark text)",
    "ANALYZE public.planted, public.few",
)


def _searched(condition: str, table: str = "planted", times: int = 12) -> tuple[str, ...]:
    # Its words stand in the specimens below.
    return (f"SELECT id FROM public.{table} WHERE {condition}",) * times  # noqa: S608


@control(
    "PERF-003.5",
    "Searches in the middle of texts have an index of trigrams",
    specimens=(
        Specimen(
            "a pattern",
            plant=sql(*_TABLE, *_searched("title ILIKE '%tle 77%'")),
            repair=sql("CREATE INDEX ON public.planted USING gin (title gin_trgm_ops)"),
            near_miss=sql(
                *_TABLE,
                *_searched("remark ILIKE '%word%'", table="few"),
                *_searched("title ILIKE '%tle 77%'", times=2),
                *_searched("number % 7 = 0 AND title = 'title 7'"),
                *_searched("title LIKE 'title 7%'"),
            ),
            subject="public.planted.title",
            needs="statements",
        ),
        Specimen(
            "Django's icontains",
            plant=sql(
                *_TABLE,
                "CREATE INDEX ON public.planted USING gin (title gin_trgm_ops)",
                *_searched('UPPER("planted"."title"::text) LIKE UPPER(\'%tle 77%\')'),
            ),
            repair=sql("CREATE INDEX ON public.planted USING gin (UPPER(title) gin_trgm_ops)"),
            near_miss=sql(
                *_TABLE,
                "CREATE INDEX ON public.planted USING gin (title gin_trgm_ops)",
                *_searched("title ILIKE '%tle 77%'"),
            ),
            subject="public.planted.title",
            needs="statements",
        ),
        Specimen(
            "near spelling",
            plant=sql(*_TABLE, *_searched("'titel 77' <% title")),
            repair=sql("CREATE INDEX ON public.planted USING gist (title gist_trgm_ops)"),
            near_miss=sql(
                *_TABLE,
                "CREATE INDEX ON public.planted USING gin (title gin_trgm_ops)",
                *_searched("title %> 'titel 77'"),
            ),
            subject="public.planted.title",
            needs="statements",
        ),
    ),
)
def middles_are_indexed(inspection: Inspection) -> Iterator[Finding]:
    columns = text_columns(inspection.cursor, LARGE_ROWS)
    inspection.evidence["columns_of_large_tables"] = len(columns)
    for search in unindexed_searches(inspection.cursor, columns, FEWEST_CALLS):
        column = search.column
        name = quoted(column.column)
        key = f"UPPER({name})" if search.capitals else name
        yield Finding(
            Level.WARNING,
            "A search in the middle of texts reads the whole table",
            column.subject,
            f"It ran {search.statement.calls} times: {search.statement.text[:200]}",
            f"CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE INDEX CONCURRENTLY ON "
            f"{quoted(column.schema, column.table)} USING gin ({key} gin_trgm_ops);",
        )


_MODELS = "apps/risks/models/risk.py"
_INDEX = r'GinIndex\(fields=\("search_vector",\), name="risks_risk_search"\)'


@control(
    "PERF-003.6",
    "Every model's full-text field has an index",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "the index taken out of the model",
            plant=edit(_MODELS, rf" +{_INDEX},\n", ""),
            repair=original(_MODELS),
            near_miss=edit(
                _MODELS, _INDEX, 'GinIndex(F("search_vector"), name="risks_risk_search")'
            ),
            subject="risks.Risk.search_vector",
            peer=True,
        ),
        Specimen(
            "a btree in its place",
            plant=edit(_MODELS, _INDEX, _INDEX.replace("Gin", "models.").replace("\\", "")),
            repair=original(_MODELS),
            near_miss=edit(
                _MODELS,
                r'\n            GinIndex\(fields=\("title",\)',
                '\n            models.Index(F("code"), name="another"),'
                '\n            GinIndex(fields=("title",)',
            ),
            subject="risks.Risk.search_vector",
            peer=True,
        ),
    ),
)
def fields_are_indexed(inspection: Inspection) -> Iterator[Finding]:
    fields = list(_search_fields())
    inspection.evidence["fields"] = [_name(field) for field in fields]
    for field in fields:
        if field.name not in _searchable(field.model):
            yield Finding(
                Level.WARNING,
                "A model's full-text field has no index",
                _name(field),
                "Meta.indexes has no GinIndex of it, so that every search reads the whole table.",
                f"from django.contrib.postgres.indexes import GinIndex; in Meta of "
                f'{field.model.__name__}: indexes = [GinIndex(fields=["{field.name}"], '
                f'name="{field.model._meta.db_table[:20]}_search")]; then makemigrations.',
            )


def _search_fields() -> Iterator["Field[Any, Any]"]:
    """The full-text fields of all models, generated ones too."""
    for model in apps.get_models(include_auto_created=True):
        if not model._meta.managed or model._meta.proxy:
            continue
        for field in model._meta.local_fields:
            if isinstance(getattr(field, "output_field", field), SearchVectorField):
                yield field


def _searchable(model: type[Model]) -> set[str]:
    """The fields of a model's GIN and GiST indexes."""
    found: set[str] = set()
    for index in model._meta.indexes:
        if isinstance(index, GinIndex | GistIndex):
            found |= {name.lstrip("-") for name in index.fields}
            for expression in index.expressions:
                inner = expression.expression if isinstance(expression, OrderBy) else expression
                found.add(str(getattr(inner, "name", "")))
    return found


def _name(field: "Field[Any, Any]") -> str:
    return f"{field.model._meta.app_label}.{field.model.__name__}.{field.name}"


_LIVE = "CREATE INDEX {} ON risks_risk USING {} (search_vector)"


@control(
    "PERF-003.7",
    "The planner answers every model's full-text search from an index of words",
    scope=Scope.APPLICATION,
    specimens=(
        Specimen(
            "the index of words dropped",
            plant=sql("DROP INDEX risks_risk_search"),
            repair=sql(_LIVE.format("risks_risk_search", "gin")),
            near_miss=sql("DROP INDEX risks_risk_search", _LIVE.format("renamed", "gist")),
            subject="risks: search",
            peer=True,
        ),
        Specimen(
            "near spelling without trigrams",
            plant=sql("DROP INDEX risks_risk_title_near"),
            repair=sql("CREATE INDEX back ON risks_risk USING gist (title gist_trgm_ops)"),
            near_miss=sql("DROP INDEX risks_risk_affected"),
            subject="risks: search",
            peer=True,
        ),
    ),
)
def searches_use_indexes(inspection: Inspection) -> Iterator[Finding]:
    searches = {name: query for name, query in declared_queries().items() if _searches(query)}
    inspection.evidence["searches"] = sorted(searches)
    found = False
    with inspection.app_connection() as connection:
        for name, queryset in searches.items():
            scans = table_scans(connection, queryset)
            table = queryset.model._meta.db_table
            used = {i.method for scan in scans if scan.table == table for i in scan.indexes}
            if not all(scan.answered for scan in scans) or not used & METHODS:
                found = True
                yield Finding(
                    Level.ERROR,
                    "A full-text search is not answered by its index",
                    name,
                    f"The planner finds no way through an index of words to {table}, even where "
                    "reading the whole table is to be avoided.",
                    "Look for the index that is missing: manage.py drift; and for the "
                    "configuration: PERF-003.3.",
                )
    undeclared = {field.model for field in _search_fields()} - {q.model for q in searches.values()}
    if undeclared and not found:
        model = sorted(model.__name__ for model in undeclared)[0]
        raise CannotSee(
            f"No application declares how {model} is searched.",
            "Give its AppConfig a method hot_queries(), as apps/risks/apps.py has it.",
        )


def _searches(queryset: QuerySet[Any]) -> bool:
    """Whether a query asks for words or for near spelling."""
    # Django doubles the percent signs of what is not a parameter.
    return re.search(r" (@@|%%>>?|<<?%%|%%) ", queryset.query.sql_with_params()[0]) is not None
