"""Finds statements that a PL/pgSQL function builds of its data, by reading the function's text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*|/\*.*?\*/)
  | (?P<text>[eE]'(?:[^'\\]|''|\\.)*'|(?:[uU]&|[bBxX])?'(?:[^']|'')*'|(?P<tag>\$\w*\$).*?(?P=tag))
  | (?P<word>"(?:[^"]|"")*"|[^\W\d][\w$]*(?:\s*\.\s*(?:"(?:[^"]|"")*"|[^\W\d][\w$]*))*)
  | (?P<number>\d[\w.]*|\$\d+)
  | (?P<mark>::|:=|\|\||[^\s])
    """,
    re.VERBOSE | re.DOTALL,
)
# What returns text that is safe inside a statement, whatever it is given.
QUOTING = frozenset({"quote_ident", "quote_literal", "quote_nullable"})
# Types whose text is a quoted name, or no text at all.
HARMLESS_TYPES = frozenset(
    {"regclass", "regtype", "regrole", "regnamespace", "regproc", "regprocedure", "oid"}
    | {"int", "integer", "bigint", "smallint", "uuid", "boolean", "numeric"}
)
ENDS = frozenset({"into", "using", "loop"})
STARTS = frozenset({"begin", "then", "else", "loop", "declare"})
_SPECIFIER = re.compile(r"%(?:(?P<place>\d+)\$)?-?(?:\d+|\*(?:\d+\$)?)?(?P<kind>[sIL%])")


@dataclass(frozen=True)
class Token:
    """A word, a mark, a number or a text of a function."""

    kind: str
    value: str

    @property
    def name(self) -> str:
        """The last part of a word, as PostgreSQL reads it; empty for anything else."""
        if self.kind != "word":
            return ""
        last = re.split(r"\s*\.\s*", self.value)[-1]
        return last.strip('"') if last.startswith('"') else last.lower()


def tokens_of(source: str) -> list[Token]:
    return [
        Token(kind, match[kind])
        for match in _TOKEN.finditer(source)
        for kind in ("text", "word", "number", "mark")
        if match[kind] is not None
    ]


def joined_statements(source: str) -> list[str]:
    """The expressions that EXECUTE runs although data is joined into them, as they are written."""
    tokens = tokens_of(source)
    return [
        " ".join(token.value for token in expression)
        for expression in _executed(tokens)
        if not _is_safe(expression, tokens, frozenset())
    ]


def _executed(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    for place, token in enumerate(tokens):
        if token.name == "execute" and tokens[place + 1 : place + 2] != [Token("mark", ";")]:
            yield _expression(tokens[place + 1 :])


def _expression(tokens: Sequence[Token]) -> Sequence[Token]:
    """The tokens up to what ends an expression."""
    depth = 0
    for place, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.value, 0)
        ends = token.value == ";" or (token.kind == "word" and token.name in ENDS)
        if depth < 0 or (not depth and ends):
            return tokens[:place]
    return tokens


def _is_safe(
    expression: Sequence[Token], function: Sequence[Token], following: frozenset[str]
) -> bool:
    """Whether all of an expression is written, quoted or of a harmless type."""
    return all(_is_safe_part(part, function, following) for part in _split(expression, ("||", ",")))


def _is_safe_part(
    part: Sequence[Token], function: Sequence[Token], following: frozenset[str]
) -> bool:
    part = _without_brackets(part)
    if not part or all(token.kind in ("text", "number") for token in part):
        return True
    if len(_split(part, ("||",))) > 1:
        return _is_safe(part, function, following)
    cast = next((i for i in range(len(part) - 1, 0, -1) if part[i].value == "::"), None)
    if cast is not None and cast + 1 < len(part):
        if part[cast + 1].name in HARMLESS_TYPES:
            return True
        return _is_safe_part(part[:cast], function, following)
    if len(part) == 1:
        return _is_safe_variable(part[0].name, function, following)
    if part[1].value == "(" and part[-1].value == ")":
        return _is_safe_call(part[0].name, part[2:-1], function, following)
    return False


def _is_safe_call(
    name: str, arguments: Sequence[Token], function: Sequence[Token], following: frozenset[str]
) -> bool:
    if name in QUOTING:
        return True
    if name == "format":
        return _is_safe_format(_split(arguments, (",",)), function, following)
    # concat(), coalesce(), lower() and the like are as safe as what they are given.
    known = ("concat", "concat_ws", "coalesce", "lower", "upper", "btrim", "trim", "string_agg")
    return name in known and _is_safe(arguments, function, following)


def _is_safe_format(
    arguments: list[Sequence[Token]], function: Sequence[Token], following: frozenset[str]
) -> bool:
    """Whether %s, which quotes nothing, meets only what is safe itself."""
    if not arguments or not all(token.kind == "text" for token in arguments[0]):
        return bool(arguments) and all(_is_safe(a, function, following) for a in arguments)
    template = "".join(token.value for token in arguments[0])
    place = 0
    for match in _SPECIFIER.finditer(template):
        if match["kind"] == "%":
            continue
        place = int(match["place"]) if match["place"] else place + 1
        is_bare = match["kind"] == "s" and place < len(arguments)
        if is_bare and not _is_safe(arguments[place], function, following):
            return False
    return True


def _is_safe_variable(name: str, function: Sequence[Token], following: frozenset[str]) -> bool:
    """Whether all that a variable is given is safe; a parameter is given anything."""
    if name in following:
        return True
    given = list(_declared(name, function))
    for place, token in enumerate(function[:-1]):
        if token.name != name:
            continue
        before, after = function[max(place - 1, 0)], function[place + 1].value
        if place and before.name in ("into", "for", "foreach", ","):
            return False
        starts = not place or before.value == ";" or before.name in STARTS
        if after in (":=", "=") and starts:
            given.append(_expression(function[place + 2 :]))
    inner = following | {name}
    return bool(given) and all(_is_safe(value, function, inner) for value in given)


def _declared(name: str, function: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """What a declaration gives a variable: `name text := …`, or DEFAULT."""
    for place, token in enumerate(function):
        if token.name != name or place == 0:
            continue
        if function[place - 1].value != ";" and function[place - 1].name != "declare":
            continue
        statement = _expression(function[place:])
        for index, word in enumerate(statement):
            if index > 1 and (word.value == ":=" or word.name == "default"):
                yield statement[index + 1 :]


def _split(tokens: Sequence[Token], marks: tuple[str, ...]) -> list[Sequence[Token]]:
    """The tokens between marks that stand in no brackets."""
    parts: list[Sequence[Token]] = []
    depth = start = 0
    for place, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.value, 0)
        if not depth and token.kind == "mark" and token.value in marks:
            parts.append(tokens[start:place])
            start = place + 1
    return [*parts, tokens[start:]]


def _without_brackets(tokens: Sequence[Token]) -> Sequence[Token]:
    """The tokens without a pair of brackets round all of them."""
    while len(tokens) >= 2 and tokens[0].value == "(" and tokens[-1].value == ")":
        depth = 0
        for place, token in enumerate(tokens):
            depth += {"(": 1, ")": -1}.get(token.value, 0)
            if not depth and place < len(tokens) - 1:
                return tokens
        tokens = tokens[1:-1]
    return tokens
