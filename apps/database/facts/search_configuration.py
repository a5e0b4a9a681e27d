"""Facts about text-search configurations: by which texts were taken apart, and are sought.

Words that one configuration stems and another does not never meet. Expressions are read as the
catalog stores them, because spelling them out waits behind an exclusive lock.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper

from apps.database.facts.questions import ask

_REGCONFIG = re.compile(r"\{CONST :consttype 3734 [^{}]*?:constvalue 4 \[ ([-0-9 ]+)\]")
_COLUMN = re.compile(r"\{VAR :varno 1 :varattno ([0-9]+) ")
_VECTOR_CALL = re.compile(r"\bto_tsvector\s*\(", re.IGNORECASE)
_LITERAL = re.compile(r"'([^']+)'(?:::regconfig)?")


@dataclass(frozen=True)
class Vectoriser:
    """What takes a text apart: a generated column, an index, or a trigger that fills a column.

    `sources` are the numbers of the columns that the text is in, empty where a trigger's function
    does not say. `names_none` says that the configuration is left to whoever writes.
    """

    schema: str
    table: str
    name: str
    kind: str
    column: str | None
    sources: frozenset[int]
    configurations: frozenset[str]
    names_none: bool = False

    @property
    def subject(self) -> str:
        return f"{self.schema}.{self.table}.{self.column or self.name}"


def vectorisers(cursor: CursorWrapper) -> list[Vectoriser]:
    """Everything in the schema that makes a tsvector, by name."""
    names = {int(number): str(name) for number, name in ask(cursor, "search_configurations")}
    found = [_expression(row, names) for row in ask(cursor, "our_table", "search_expressions")]
    for row in ask(cursor, "our_table", "search_triggers"):
        found += _trigger(*row)
    return sorted(found, key=lambda item: (item.subject, item.name))


def chosen_defaults(cursor: CursorWrapper) -> list[tuple[str, str]]:
    """Roles, or `every role`, and the default configuration that somebody chose for them here."""
    return [(role, plain(name)) for role, name in ask(cursor, "search_defaults")]


def plain(name: str) -> str:
    """A configuration's name without its schema and quotes."""
    return name.strip("'\" ").rpartition(".")[2].strip('"')


def _expression(row: tuple[Any, ...], names: dict[int, str]) -> Vectoriser:
    schema, table, name, is_index, tree = row
    return Vectoriser(
        schema=schema,
        table=table,
        name=name,
        kind="index" if is_index else "column",
        column=None if is_index else name,
        sources=frozenset(int(number) for number in _COLUMN.findall(tree)),
        configurations=frozenset(_configurations(tree, names)),
    )


def _configurations(tree: str, names: dict[int, str]) -> Iterator[str]:
    for printed in _REGCONFIG.findall(tree):
        raw = bytes(int(byte) % 256 for byte in printed.split())
        # The server prints its memory: which end comes first depends on its processor.
        either = int.from_bytes(raw[:4], "little"), int.from_bytes(raw[-4:], "big")
        yield next((names[number] for number in either if number in names), f"number {either[0]}")


def _trigger(
    schema: str,
    table: str,
    name: str,
    function: str,
    builtin: bool,
    arguments: bytes,
    source: str,
    columns: list[str],
    numbers: dict[str, int],
) -> Iterator[Vectoriser]:
    if builtin:
        target, configuration, *texts = bytes(arguments).decode().rstrip("\0").split("\0")
        sources = frozenset(numbers[text] for text in texts if text in numbers)
        known = frozenset({plain(configuration)})
        yield Vectoriser(schema, table, name, "trigger", target, sources, known)
        return
    calls = list(calls_of(source, _VECTOR_CALL))
    named = frozenset(
        plain(match[1]) for call in calls if len(call) > 1 and (match := _LITERAL.match(call[0]))
    )
    sources = frozenset(
        number for text, number in numbers.items()
        for call in calls if re.search(rf"\b{re.escape(text)}\b", call[-1], re.IGNORECASE)
    )  # fmt: skip
    for column in columns:
        if re.search(rf"\bNEW\.\"?{re.escape(column)}\b", source, re.IGNORECASE):
            names_none = any(len(call) == 1 for call in calls)
            yield Vectoriser(schema, table, name, "trigger", column, sources, named, names_none)


def calls_of(text: str, opening: re.Pattern[str]) -> Iterator[list[str]]:
    """The arguments of every call whose beginning matches, each as text; quotes are respected."""
    for match in opening.finditer(text):
        depth, start, quoted, arguments = 1, match.end(), False, []
        for place in range(match.end(), len(text)):
            letter = text[place]
            if letter == "'":
                quoted = not quoted
            elif not quoted and letter in "()":
                depth += 1 if letter == "(" else -1
            if depth == 0 or (depth == 1 and letter == "," and not quoted):
                arguments.append(text[start:place].strip())
                start = place + 1
            if depth == 0:
                yield arguments
                break
