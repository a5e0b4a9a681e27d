"""Reads the statements that Django's schema editor writes for indexes and constraints."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.backends.ddl_references import Columns, IndexColumns, Statement
from django.db.backends.postgresql.schema import DatabaseSchemaEditor

# A dollar-quoted string does not occur in what Django writes.
_TOKEN = re.compile(
    r"""\s+|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|[A-Za-z_][A-Za-z_0-9$]*|[0-9.]+|::|[-+*/<>=~!@#%^&|`?]+|.""",
    re.DOTALL,
)

_USING = re.compile(r"(?: USING (?P<method>[a-z]+))?")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True)
class Key:
    """One key of an index: a column or an expression, and how it is ordered."""

    column: str | None
    expression: str | None
    opclass: str | None
    collation: str | None
    descending: bool
    nulls_first: bool
    operator: str | None = None


@dataclass(frozen=True)
class Definition:
    """What an index or an exclusion constraint is made of."""

    method: str
    keys: tuple[Key, ...]
    include: tuple[str, ...]
    predicate: str | None
    unique: bool
    nulls_not_distinct: bool
    options: dict[str, str]
    deferrable: bool = False
    deferred: bool = False


class Unreadable(Exception):
    """The statement is none of the known forms."""


def index_definition(made: object) -> Definition:
    """The definition of an index that Django's schema editor made; Unreadable when it is none.

    That of bare columns is taken from the statement's parts: it is neither written nor read.
    """
    return _of_columns(made) or read_index(str(made))


def _of_columns(made: object) -> Definition | None:
    if not isinstance(made, Statement) or made.template != DatabaseSchemaEditor.sql_create_index:
        return None
    # Their type stubs do not know what parts there are.
    parts: dict[str, Any] = dict(made.parts)
    columns, using = parts["columns"], _USING.fullmatch(parts["using"])
    if type(columns) not in (Columns, IndexColumns) or using is None:
        return None
    if any(parts[part] for part in ("include", "extra", "condition")):
        return None
    opclasses = list(getattr(columns, "opclasses", ())) or [None] * len(columns.columns)
    suffixes = [*columns.col_suffixes, *[""] * len(columns.columns)]
    keys = []
    for column, opclass, suffix in zip(columns.columns, opclasses, suffixes, strict=False):
        if suffix not in ("", "DESC") or not _NAME.fullmatch(opclass or "name"):
            return None
        descending = suffix == "DESC"
        keys.append(Key(column, None, opclass, None, descending, nulls_first=descending))
    method = using["method"] or "btree"
    return Definition(method, tuple(keys), (), None, False, False, {})


def read_index(statement: str) -> Definition:
    """The definition in a CREATE INDEX statement; Unreadable when it is none."""
    reader = _Reader(statement)
    reader.expect("CREATE")
    unique = reader.accept("UNIQUE")
    reader.expect("INDEX")
    reader.accept("CONCURRENTLY")
    reader.skip_to("ON")
    reader.skip_name()
    return _definition(reader, unique=unique)


def read_exclusion(statement: str) -> Definition:
    """The definition after EXCLUDE in an ALTER TABLE statement; Unreadable when it is none."""
    reader = _Reader(statement)
    reader.skip_to("EXCLUDE")
    return _definition(reader, unique=False)


def _definition(reader: "_Reader", *, unique: bool) -> Definition:
    method = reader.word().lower() if reader.accept("USING") else "btree"
    keys = tuple(_key(part) for part in reader.group())
    include: tuple[str, ...] = ()
    options: dict[str, str] = {}
    predicate, nulls_not_distinct, deferrable, deferred = None, False, False, False
    while not reader.ended:
        if reader.accept("INCLUDE"):
            include = tuple(_unquoted("".join(part).strip()) for part in reader.group())
        elif reader.accept("NULLS"):
            nulls_not_distinct = reader.accept("NOT")
            reader.expect("DISTINCT")
        elif reader.accept("WITH"):
            options = dict(_option(part) for part in reader.group())
        elif reader.accept("TABLESPACE"):
            reader.word()
        elif reader.accept("WHERE"):
            predicate, deferrable, deferred = _predicate(reader.rest())
        elif reader.accept("DEFERRABLE"):
            deferrable = True
        elif reader.accept("INITIALLY"):
            deferred = reader.word().upper() == "DEFERRED"
        else:
            raise Unreadable(reader.rest())
    return Definition(
        method, keys, include, predicate, unique, nulls_not_distinct, options, deferrable, deferred
    )


def _predicate(text: str) -> tuple[str, bool, bool]:
    """A condition without what an exclusion constraint says after it."""
    match = re.search(r"\s+DEFERRABLE(?:\s+INITIALLY\s+(DEFERRED|IMMEDIATE))?\s*$", text)
    if match is None:
        return text.strip(), False, False
    return text[: match.start()].strip(), True, match[1] == "DEFERRED"


def _option(part: Sequence[str]) -> tuple[str, str]:
    name, _, value = "".join(part).partition("=")
    return name.strip(), value.strip().strip("'")


def _key(part: Sequence[str]) -> Key:
    tokens = [token for token in part if not token.isspace()]
    operator = None
    if "WITH" in tokens[:-1] and tokens[-2] == "WITH":
        tokens, operator = tokens[:-2], tokens[-1]
    tail: list[str] = []
    size = _expression_size(tokens)
    head, tail = tokens[:size], tokens[size:]
    collation, tail = _taken(tail, "COLLATE")
    descending = "DESC" in tail
    nulls_first = descending
    if "NULLS" in tail:
        nulls_first = tail[tail.index("NULLS") + 1] == "FIRST"
    words = [token for token in tail if token not in ("ASC", "DESC", "NULLS", "FIRST", "LAST")]
    opclass = _unquoted(words[-1]) if words else None
    column, expression, inner = _column_or_expression(head)
    return Key(column, expression, opclass, collation or inner, descending, nulls_first, operator)


def _expression_size(tokens: Sequence[str]) -> int:
    """How many tokens the key itself takes: a name, a call or a group in parentheses."""
    size = 0 if tokens[0] == "(" else 1
    if len(tokens) > size and tokens[size] == "(":
        depth = 0
        for place, token in enumerate(tokens[size:], size):
            depth += (token == "(") - (token == ")")
            if depth == 0:
                return place + 1
    return max(size, 1)


def _taken(tokens: list[str], word: str) -> tuple[str | None, list[str]]:
    """The name that follows a word, and the tokens without both."""
    if word not in tokens:
        return None, tokens
    place = tokens.index(word)
    return _unquoted(tokens[place + 1]), tokens[:place] + tokens[place + 2 :]


def _column_or_expression(head: Sequence[str]) -> tuple[str | None, str | None, str | None]:
    """Column, expression, collation: PostgreSQL takes `("a" COLLATE "x")` for a column."""
    inner = list(head)
    while inner[0] == "(" and _expression_size(inner) == len(inner):
        inner = inner[1:-1]
    collation = None
    if len(inner) == 3 and inner[1] == "COLLATE":
        inner, collation = inner[:1], _unquoted(inner[2])
    if len(inner) == 1 and re.match(r'["A-Za-z_]', inner[0]):
        return _unquoted(inner[0]), None, collation
    return None, " ".join(head), None


def _unquoted(name: str) -> str:
    if name.startswith('"'):
        return name[1:-1].replace('""', '"')
    return name.lower()


class _Reader:
    """Walks over the tokens of one statement."""

    def __init__(self, statement: str) -> None:
        self._tokens = _TOKEN.findall(statement.strip().rstrip(";"))
        self._place = 0
        self._skip_space()

    @property
    def ended(self) -> bool:
        return self._place >= len(self._tokens)

    def _skip_space(self) -> None:
        while not self.ended and self._tokens[self._place].isspace():
            self._place += 1

    def word(self) -> str:
        if self.ended:
            raise Unreadable("the statement ends too early")
        token = str(self._tokens[self._place])
        self._place += 1
        self._skip_space()
        return token

    def accept(self, word: str) -> bool:
        if self.ended or self._tokens[self._place].upper() != word:
            return False
        self.word()
        return True

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise Unreadable(f"no {word}")

    def skip_to(self, word: str) -> None:
        """Go on behind a word."""
        while self.word().upper() != word:
            pass

    def skip_name(self) -> None:
        self.word()
        while self.accept("."):
            self.word()

    def group(self) -> Iterator[list[str]]:
        """The parts of a group in parentheses that commas separate."""
        self.expect("(")
        parts: list[list[str]] = [[]]
        depth = 0
        while depth or self._tokens[self._place] != ")":
            token = self._tokens[self._place]
            self._place += 1
            depth += (token == "(") - (token == ")")
            if token == "," and not depth:
                parts.append([])
            else:
                parts[-1].append(token)
            if self.ended:
                raise Unreadable("a parenthesis stays open")
        self.word()
        return iter(parts)

    def rest(self) -> str:
        text = "".join(self._tokens[self._place :])
        self._place = len(self._tokens)
        return text
