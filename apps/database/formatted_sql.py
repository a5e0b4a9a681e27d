"""Finds statements of SQL that a program formats, by reading the program: `make lint` runs it.

    python -m apps.database.formatted_sql [FOLDER OR FILE …]

A statement may be written in the source, joined of such pieces, or composed with psycopg.sql;
values travel as parameters. A place where that is impossible bears a comment `sql-reviewed:` with
the reason; a mark that nothing needs any more is reported too. Exit: 0 nothing found, 1 something.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.database.literal_text import Source, Text, name_of
from config.env import BASE_DIR

PLACES = ("apps", "config", "bench", "drills", "manage.py")
MARK = re.compile(r"#\s*sql-reviewed:?\s*(.*)")
SHORTEST_REASON = 10

# Methods whose first argument is a statement, and the keywords that it may come under.
METHODS = {
    "execute": ("query", "sql", "statement"),
    "executemany": ("query", "sql"),
    "raw": ("raw_query",),
    "mogrify": ("query",),
}
# The same, but of methods that other things have too: only of what is named like a cursor.
OF_CURSORS = {"copy": ("statement",), "stream": ("query",), "copy_expert": ("sql",)}
CURSORS = re.compile(r"cur|cursor|conn|connection|admin|owner|editor", re.IGNORECASE)
CLASSES = {
    "RawSQL": ("sql",),
    "RunSQL": ("sql", "reverse_sql"),
    "SQL": ("obj",),
}
EXTRA = ("select", "where", "tables", "order_by")
# Django's expressions write these into the statement as they are.
WRITTEN_BY_EXPRESSIONS = ("template", "function", "arg_joiner")
EXPRESSIONS = re.compile(
    r"Func|Aggregate|Transform|Lookup|Cast|Coalesce|Window|as_sql|as_postgresql"
)


@dataclass(frozen=True)
class FormattedSQL:
    """One place where a statement is formatted, or where a mark is wrong."""

    path: str
    line: int
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.problem} {self.remedy}"


def scan(root: Path, places: Sequence[str] = PLACES) -> Iterator[FormattedSQL]:
    """What is wrong in the Python files of these places below a folder, in order."""
    for path in python_files(root, places):
        shown = path.relative_to(root) if path.is_relative_to(root) else path
        yield from scan_text(path.read_bytes(), shown.as_posix())


def python_files(root: Path, places: Sequence[str] = PLACES) -> list[Path]:
    """The Python files of the places, migrations among them."""
    found: set[Path] = set()
    for place in places:
        path = root / place
        found |= set(path.rglob("*.py")) if path.is_dir() else {path} if path.is_file() else set()
    return sorted(found)


def scan_text(content: bytes, path: str) -> Iterator[FormattedSQL]:
    """What is wrong in one file."""
    try:
        tree = ast.parse(content)
        marks = dict(_marks(content))
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        yield FormattedSQL(path, 1, f"Python cannot read this file: {error}.", "Mend it.")
        return
    used = set()
    for node, problem, remedy in _problems(Source(tree)):
        lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        mark = next((line for line in lines if line in marks), None)
        if mark is None:
            yield FormattedSQL(path, node.lineno, problem, remedy)
        else:
            used.add(mark)
    yield from _wrong_marks(path, marks, used)


def _marks(content: bytes) -> Iterator[tuple[int, str]]:
    """The reason of every mark, by the line that it speaks of: its own, or the one below it."""
    for token in tokenize.tokenize(io.BytesIO(content).readline):
        match = MARK.match(token.string) if token.type == tokenize.COMMENT else None
        if match:
            stands_alone = token.line.lstrip().startswith("#")
            yield token.start[0] + stands_alone, match[1].strip()


def _wrong_marks(path: str, marks: dict[int, str], used: set[int]) -> Iterator[FormattedSQL]:
    for line, reason in marks.items():
        if line not in used:
            yield FormattedSQL(path, line, "The mark here excuses nothing.", "Remove it.")
        elif len(reason) < SHORTEST_REASON:
            yield FormattedSQL(
                path, line, "The mark here gives no reason.", "Write: # sql-reviewed: WHY"
            )


Problem = tuple[ast.expr, str, str]


def _problems(source: Source) -> Iterator[Problem]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            yield from _of_call(source, node)
        elif isinstance(node, ast.ClassDef):
            yield from _of_class(source, node)
        elif isinstance(node, ast.Attribute) and _is_handed_on(node, source):
            yield (
                node,
                f"{node.attr} is handed on, so nobody sees what it is given.",
                "Call it where its statement stands.",
            )


def _of_call(source: Source, call: ast.Call) -> Iterator[Problem]:
    name = source.called(call)
    is_method = isinstance(call.func, ast.Attribute)
    yield from _judge(source, call, name, source.literal_arguments(call))
    if name == "extra" and is_method:
        yield from _judge(source, call, name, _given(call, EXTRA, len(EXTRA)))
    elif is_method and (name in METHODS or (name in OF_CURSORS and _is_cursor(call.func))):
        keywords = {**METHODS, **OF_CURSORS}[name]
        yield from _judge(source, call, name, _given(call, keywords, 1))
    elif name in CLASSES:
        count = 2 if name == "RunSQL" else 1
        yield from _judge(source, call, name, _given(call, CLASSES[name], count))
    elif EXPRESSIONS.search(name):
        yield from _judge(source, call, name, _given(call, WRITTEN_BY_EXPRESSIONS, 0))


def _given(call: ast.Call, keywords: Sequence[str], count: int) -> list[ast.expr]:
    """The arguments of a call that become part of the statement."""
    named = [keyword.value for keyword in call.keywords if keyword.arg in keywords]
    return [*call.args[:count], *named]


def _judge(
    source: Source, call: ast.Call, name: str, given: Iterable[ast.expr]
) -> Iterator[Problem]:
    for argument in given:
        worst = max((source.judge(text) for text in _texts(argument, name)), default=Text.WRITTEN)
        if worst is Text.FORMATTED:
            yield (
                call,
                f"{name} is given text that data was formatted into.",
                "Give values as parameters, and compose names with psycopg.sql.Identifier.",
            )
        elif worst is Text.UNKNOWN:
            yield (
                call,
                f"{name} is given a statement that does not stand here.",
                "Write it here, compose it with psycopg.sql, or add: # sql-reviewed: WHY",
            )


def _texts(argument: ast.expr, name: str) -> list[ast.expr]:
    """The statements in an argument; RunSQL takes pairs of a statement and its parameters too."""
    if name == "RunSQL" and isinstance(argument, ast.List | ast.Tuple):
        return [
            item.elts[0] if isinstance(item, ast.List | ast.Tuple) and item.elts else item
            for item in argument.elts
        ]
    if name == "extra" and isinstance(argument, ast.Dict):
        return [*argument.values, *(key for key in argument.keys if key is not None)]
    return [argument]


def _of_class(source: Source, owner: ast.ClassDef) -> Iterator[Problem]:
    """What a class of expressions writes into the statement."""
    if not any(EXPRESSIONS.search(name_of(parent)) for parent in owner.bases):
        return
    for statement in owner.body:
        if not isinstance(statement, ast.Assign):
            continue
        for target in statement.targets:
            if name_of(target) in WRITTEN_BY_EXPRESSIONS and source.judge(statement.value):
                yield (
                    statement.value,
                    f"{owner.name}.{name_of(target)} is text that data was formatted into.",
                    "Write it out, and give values as expressions.",
                )


def _is_cursor(function: ast.expr) -> bool:
    """Whether a method is called on what its name says is a cursor or a connection."""
    owner = function.value if isinstance(function, ast.Attribute) else function
    if isinstance(owner, ast.Call):
        return name_of(owner.func) in ("cursor", "connect")
    return bool(CURSORS.fullmatch(name_of(owner).strip("_")))


def _is_handed_on(node: ast.Attribute, source: Source) -> bool:
    """Whether a cursor's method is passed or kept instead of called."""
    return (
        node.attr in ("execute", "executemany")
        and isinstance(node.ctx, ast.Load)
        and _is_cursor(node)
        and not source.is_called(node)
    )


def main(arguments: Sequence[str]) -> int:
    """Print what is wrong; the exit code."""
    found = list(scan(BASE_DIR, arguments or PLACES))
    for problem in found:
        sys.stdout.write(f"{problem}\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
