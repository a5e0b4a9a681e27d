"""What the documents say that can be held against the code: quoted messages."""

import ast
import re
from functools import cache
from pathlib import Path

from apps.controls.documents import documents
from config.env import BASE_DIR

DOCUMENTS = documents(BASE_DIR)


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
