"""From Markdown to blocks of plain text that know their lines."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

_PARSER = MarkdownIt("commonmark").enable("table")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)
_CELL_END = re.compile(r"(?<!\\)\|")
_FRONT_MATTER_END = re.compile(r"^(?:---|\.\.\.)\s*$")
_FRONT_MATTER_LINE = re.compile(r"^(?:\s+\S|[\w.-]+\s*:|- |# |$)")
_FRONT_MATTER_LINES = 200


@dataclass(frozen=True)
class Line:
    """One line of plain text; `bold` is the bold text that it begins with."""

    text: str
    number: int
    bold: str = ""

    @property
    def is_all_bold(self) -> bool:
        """Whether nothing but a colon stands outside the bold text."""
        return bool(self.bold) and self.text.strip(" :：") == self.bold.strip(" :：")


@dataclass(frozen=True)
class Heading:
    level: int
    text: str
    line: int


@dataclass(frozen=True)
class Paragraph:
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Item:
    """One item of a list: the lines of its first paragraph, and all blocks after that."""

    lines: tuple[Line, ...]
    blocks: tuple["Block", ...]


@dataclass(frozen=True)
class Listing:
    ordered: bool
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Row:
    """One row of a table; `surplus` holds all cells as written when there are more than headers."""

    cells: tuple[str, ...]
    line: int
    surplus: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    line: int


@dataclass(frozen=True)
class Code:
    text: str
    line: int


Block = Heading | Paragraph | Listing | Table | Code


def parse_blocks(text: str) -> tuple[Block, ...]:
    """The blocks of a document; lines are counted from 1 in `text` as it was given."""
    reader = _Reader(text)
    return tuple(reader.blocks(SyntaxTreeNode(_PARSER.parse(reader.body)).children))


def front_matter(text: str) -> tuple[str, ...]:
    """The lines between the two rules of a YAML front matter; empty where there is none."""
    lines = text.split("\n", _FRONT_MATTER_LINES)
    if lines[0].strip() != "---":
        return ()
    for number, line in enumerate(lines[1:_FRONT_MATTER_LINES], start=1):
        if _FRONT_MATTER_END.match(line):
            return tuple(lines[1:number])
        if not _FRONT_MATTER_LINE.match(line):
            # A rule at the top of the document is no front matter.
            return ()
    return ()


class _Reader:
    """Walks the syntax tree of one document."""

    def __init__(self, text: str) -> None:
        skipped = len(front_matter(text))
        self.source = text.split("\n")
        # Blank lines in place of the front matter keep the line numbers.
        self.body = (
            "\n".join([""] * (skipped + 2) + self.source[skipped + 2 :]) if skipped else text
        )

    def blocks(self, nodes: Sequence[SyntaxTreeNode]) -> Iterator[Block]:
        for node in nodes:
            if node.type == "heading":
                yield from self._heading(node)
            elif node.type == "paragraph":
                yield Paragraph(_lines(node))
            elif node.type in ("bullet_list", "ordered_list"):
                items = tuple(self._item(child) for child in node.children)
                yield Listing(node.type == "ordered_list", items)
            elif node.type == "table":
                yield self._table(node)
            elif node.type in ("fence", "code_block"):
                yield Code(node.content, _first_line(node) + (node.type == "fence"))
            elif node.type == "blockquote":
                yield from self.blocks(node.children)
            elif node.type == "html_block":
                yield from _html(node)

    def _heading(self, node: SyntaxTreeNode) -> Iterator[Block]:
        lines = _lines(node)
        # A rule straight under a paragraph is meant as a rule, though Markdown makes a heading.
        if node.markup == "-" and (len(lines) > 1 or any(":" in line.text for line in lines)):
            yield Paragraph(lines)
        elif lines:
            yield Heading(int(node.tag[1:]), " ".join(line.text for line in lines), lines[0].number)

    def _item(self, node: SyntaxTreeNode) -> Item:
        blocks = tuple(self.blocks(node.children))
        if blocks and isinstance(blocks[0], Paragraph):
            return Item(blocks[0].lines, blocks[1:])
        if blocks and isinstance(blocks[0], Heading):
            return Item((Line(blocks[0].text, blocks[0].line, blocks[0].text),), blocks[1:])
        return Item((), blocks)

    def _table(self, node: SyntaxTreeNode) -> Table:
        rows = [self._row(row) for part in node.children for row in part.children]
        return Table(rows[0].cells, tuple(rows[1:]), rows[0].line)

    def _row(self, node: SyntaxTreeNode) -> Row:
        cells = tuple(_inline_text(cell) for cell in node.children)
        line = _first_line(node)
        raw = split_cells(self.source[line - 1])
        surplus = tuple(raw) if len(raw) > len(cells) else ()
        return Row(cells, line, surplus)


def split_cells(source: str) -> list[str]:
    """The cells of one line of a table as they are written, without the outer bars."""
    body = source.strip(" \t>")
    body = body.removeprefix("|")
    if body.endswith("|") and not body.endswith("\\|"):
        body = body[:-1]
    return [cell.replace("\\|", "|").strip() for cell in _CELL_END.split(body)]


def plain_text(markup: str) -> str:
    """The text of one line of Markdown without its marks."""
    return _inline_text(SyntaxTreeNode(_PARSER.parseInline(markup)))


def _first_line(node: SyntaxTreeNode) -> int:
    return node.map[0] + 1 if node.map else 1


def _html(node: SyntaxTreeNode) -> Iterator[Block]:
    """What is left of an HTML block without its comments, as text and nothing else."""
    lines = []
    kept = _COMMENT.sub(lambda match: "\n" * match.group().count("\n"), node.content)
    for offset, text in enumerate(kept.split("\n")):
        if text.strip():
            lines.append(Line(text.strip(), _first_line(node) + offset))
    if lines:
        yield Paragraph(tuple(lines))


def _lines(node: SyntaxTreeNode) -> tuple[Line, ...]:
    lines: list[Line] = []
    first = _first_line(node)
    current: list[SyntaxTreeNode] = []
    count = 0
    for child in _inline_children(node):
        if child.type in ("softbreak", "hardbreak"):
            lines.append(_line(current, first + count))
            current, count = [], count + 1
        else:
            current.append(child)
    lines.append(_line(current, first + count))
    return tuple(line for line in lines if line.text)


def _line(nodes: Sequence[SyntaxTreeNode], number: int) -> Line:
    text = "".join(_text(node) for node in nodes).replace("**", "").strip()
    leading = next((node for node in nodes if _text(node).strip()), None)
    bold = _text(leading).strip() if leading is not None and _is_bold(leading) else ""
    return Line(text, number, bold)


def _is_bold(node: SyntaxTreeNode) -> bool:
    if node.type == "strong":
        return True
    inner = [child for child in node.children if _text(child).strip()]
    return node.type in ("em", "link") and len(inner) == 1 and _is_bold(inner[0])


def _inline_children(node: SyntaxTreeNode) -> list[SyntaxTreeNode]:
    return [child for inline in node.children for child in inline.children]


def _inline_text(node: SyntaxTreeNode) -> str:
    return "".join(_text(child) for child in _inline_children(node)).replace("**", "").strip()


def _text(node: SyntaxTreeNode) -> str:
    if node.type in ("text", "code_inline"):
        return node.content
    if node.type in ("softbreak", "hardbreak"):
        return "\n"
    if node.type == "html_inline":
        if node.content.startswith("<!--"):
            return ""
        return _BREAK_TAG.sub("\n", node.content)
    return "".join(_text(child) for child in node.children)
