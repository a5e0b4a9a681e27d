"""The queries that must be answered by an index whatever the size of their tables."""

from typing import Any

from django.apps import apps
from django.db.models import QuerySet


def declared_queries() -> dict[str, QuerySet[Any]]:
    """The applications' hot queries by `application: name`.

    An application declares them in its AppConfig by a method `hot_queries()`, which returns
    querysets by name; they are planned and never run.
    """
    found: dict[str, QuerySet[Any]] = {}
    for config in apps.get_app_configs():
        declare = getattr(config, "hot_queries", None)
        if declare is not None:
            found |= {f"{config.label}: {name}": query for name, query in declare().items()}
    return found
