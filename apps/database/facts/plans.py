"""How the planner would answer a query: which tables it would read whole, and by which indexes."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

_SET = (
    "SET LOCAL lock_timeout = '250ms'",
    "SET LOCAL statement_timeout = '5s'",
    # A small table is read whole, rightly. What counts is whether an index *can* answer.
    "SET LOCAL enable_seqscan = off",
)
# What hands rows on as they come; whatever else stands below a limit reads them all first.
_PASSING = frozenset(
    {"Append", "Index Only Scan", "Index Scan", "LockRows", "Memoize", "Merge Append"}
    | {"Nested Loop", "Result", "Subquery Scan"}
)


@dataclass(frozen=True)
class IndexUse:
    """An index of a plan: its method, and whether the query's condition leads into it."""

    name: str
    method: str
    led: bool


@dataclass(frozen=True)
class TableScan:
    """How one table of a plan is read, and by which indexes; by none it is read whole."""

    table: str
    indexes: tuple[IndexUse, ...]

    @property
    def answered(self) -> bool:
        """Whether indexes lead to the rows."""
        return bool(self.indexes) and all(index.led for index in self.indexes)


@dataclass(frozen=True)
class _Node:
    """An index scan as the plan has it; `suffices` without a condition, below a limit."""

    index: str
    condition: str
    suffices: bool


def table_scans(connection: BaseDatabaseWrapper, queryset: QuerySet[Any]) -> list[TableScan]:
    """The reads of a query's plan when sequential scans are to be avoided; nothing is executed."""
    statement, parameters = queryset.query.get_compiler(connection=connection).as_sql()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN READ ONLY")
        try:
            for setting in _SET:
                cursor.execute(setting)
            # sql-reviewed: Django wrote the statement, and its values are parameters.
            cursor.execute("EXPLAIN (FORMAT JSON) " + str(statement), parameters)
            (plan,) = cursor.fetchone()
            tree = json.loads(plan) if isinstance(plan, str) else plan
            read = list(_reads(tree[0]["Plan"], limited=False))
            known = _indexes(cursor, [node.index for _, nodes in read for node in nodes])
        finally:
            cursor.execute("ROLLBACK")
    return [TableScan(table, tuple(_use(node, known) for node in nodes)) for table, nodes in read]


def _reads(node: dict[str, Any], *, limited: bool) -> Iterator[tuple[str, list[_Node]]]:
    """The tables of a plan, each with the index scans that lead to its rows."""
    kind, children = node["Node Type"], node.get("Plans", [])
    # A few rows in the order of an index are read without a condition, and no more than these.
    limited = kind == "Limit" or (limited and kind in _PASSING)
    table = node.get("Relation Name", "")
    if kind in ("Index Scan", "Index Only Scan"):
        suffices = limited and "Filter" not in node
        yield table, [_Node(node["Index Name"], node.get("Index Cond", ""), suffices)]
    elif kind == "Bitmap Heap Scan":
        yield table, [item for child in children for item in _bitmap(child)]
        return
    elif table:
        yield table, []
    for child in children:
        yield from _reads(child, limited=limited)


def _bitmap(node: dict[str, Any]) -> Iterator[_Node]:
    """The index scans below a bitmap."""
    if "Index Name" in node:
        yield _Node(node["Index Name"], node.get("Index Cond", ""), suffices=False)
    for child in node.get("Plans", []):
        yield from _bitmap(child)


def _indexes(cursor: CursorWrapper, names: list[str]) -> dict[str, tuple[str, str | None]]:
    """Method and first column of each index; None for an expression."""
    cursor.execute(
        """
        SELECT i.relname, m.amname, a.attname
        FROM pg_catalog.pg_class i
        JOIN pg_catalog.pg_index x ON x.indexrelid = i.oid
        JOIN pg_catalog.pg_am m ON m.oid = i.relam
        LEFT JOIN pg_catalog.pg_attribute a
          ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0] AND x.indkey[0] > 0
        WHERE i.relname = ANY(%s) AND pg_catalog.pg_table_is_visible(i.oid)
        """,
        [names],
    )
    return {name: (method, column) for name, method, column in cursor.fetchall()}


def _use(node: _Node, known: dict[str, tuple[str, str | None]]) -> IndexUse:
    method, column = known.get(node.index, ("", None))
    led = bool(node.condition)
    if led and method == "btree" and column is not None:
        # A condition on a later column alone reads the whole index.
        led = re.search(rf"\b{re.escape(column)}\b", node.condition) is not None
    return IndexUse(node.index, method, led or node.suffices)
