"""What the project's documents tell people to type: commands, targets of make, variables."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

# What ends the part of a line that belongs to one command.
_ENDS = re.compile(r"\s#|[|;&<>`…]|\s[—–(]")
RUNNABLE = "run"


class UnendedBlock(Exception):
    """A fenced block that never ends; the message says where it begins."""


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


def documents(folder: Path) -> list[Path]:
    """The documents of the project in the folder: README.md and docs/, those that exist."""
    found = [folder / "README.md", *(folder / "docs").glob("*.md")]
    return sorted(path for path in found if path.is_file())


def blocks(path: Path) -> Iterator[Block]:
    """The fenced blocks of a document, also those that a list indents. Raises UnendedBlock."""
    lines = path.read_text(encoding="utf-8").splitlines()
    start: int | None = None
    words: tuple[str, ...] = ()
    for number, line in enumerate(lines, start=1):
        if not line.lstrip().startswith("```"):
            continue
        if start is None:
            start, words = number, tuple(line.strip("` ").split())
        else:
            text = dedent("\n".join(lines[start : number - 1]) + "\n")
            yield Block(path, start, words, text)
            start = None
    if start is not None:
        raise UnendedBlock(f"{path.name}:{start}: the block never ends")


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


def variables(path: Path, prefixes: tuple[str, ...]) -> set[str]:
    """The names in code that begin like the project's variables; `DATABASE_…` is none."""
    words = re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b(?!_?…)", code(path))
    return {word for word in words if word.startswith(prefixes)}
