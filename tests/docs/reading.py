"""What the documents say that can be held against the code: blocks, commands, quoted messages."""

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import dedent

from config.env import BASE_DIR

DOCUMENTS = sorted([BASE_DIR / "README.md", *(BASE_DIR / "docs").glob("*.md")])
# What ends the part of a line that belongs to one command.
_ENDS = re.compile(r"\s#|[|;&<>`…]|\s[—–(]")
RUNNABLE = "run"


@dataclass(frozen=True)
class Block:
    """A fenced block; `words` stand behind the fence: a language, and `run` where it is run."""

    path: Path
    line: int
    words: tuple[str, ...]
    text: str

    @property
    def runnable(self) -> bool:
        return RUNNABLE in self.words

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}"


def blocks(path: Path) -> Iterator[Block]:
    """The fenced blocks of a document, also those that a list indents."""
    lines = path.read_text(encoding="utf-8").splitlines()
    start, words = None, ()
    for number, line in enumerate(lines, start=1):
        if not line.lstrip().startswith("```"):
            continue
        if start is None:
            start, words = number, tuple(line.strip("` ").split())
        else:
            text = dedent("\n".join(lines[start : number - 1]) + "\n")
            yield Block(path, start, words, text)
            start = None
    assert start is None, f"{path.name}:{start}: the block never ends"


def code(path: Path) -> str:
    """Everything set as code, a line each: fenced and indented blocks, and spans."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    fenced = [block.text.replace("\\\n", " ") for block in blocks(path)]
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^ {4,}(.+)$", prose, flags=re.MULTILINE)
    spans = re.findall(r"`([^`]+)`", prose)
    return "\n".join([*fenced, *indented, *(" ".join(span.split()) for span in spans)])


@dataclass(frozen=True)
class Command:
    """A command that a document names, with the arguments it gives."""

    document: str
    name: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}: {self.name} {' '.join(self.arguments)}"


def commands(path: Path, program: str) -> list[Command]:
    """What a document has `manage.py` or `make` do, in code only."""
    found = []
    for match in re.finditer(
        rf"(?:^|[\s/]){re.escape(program)} ([a-z][a-z_-]*)(.*)", code(path), re.M
    ):
        rest = _ENDS.split(match[2])[0].replace("[", "").replace("]", "")
        found.append(Command(path.name, match[1], tuple(shlex.split(rest))))
    return found


def quoted_messages(path: Path) -> list[str]:
    """The messages that stand in quotation blocks, each a paragraph of its own; … is any text."""
    text = path.read_text(encoding="utf-8")
    quotes = re.findall(r"(?:^> .*\n)+", text, flags=re.MULTILINE)
    return [" ".join(line[2:] for line in quote.splitlines()) for quote in quotes]


def message_pattern(message: str) -> re.Pattern[str]:
    """A quoted message as a pattern: `…` stands for whatever is there."""
    return re.compile(".+?".join(map(re.escape, message.split("…"))), re.DOTALL)


@cache
def own_messages() -> list[str]:
    """Every text that the project's code can make; `…` stands for what is filled in."""
    found = []
    for folder in ("apps", "config"):
        for path in sorted((BASE_DIR / folder).rglob("*.py")):
            found += map(_text, ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return [text for text in found if len(text) >= SHORTEST]


# Shorter texts would match by accident.
SHORTEST = 20


def _text(node: ast.AST) -> str:
    """A string or f-string, with `…` for what is filled in; empty for any other node."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [v.value if isinstance(v, ast.Constant) else "…" for v in node.values]
        return "".join(map(str, parts))
    return ""
