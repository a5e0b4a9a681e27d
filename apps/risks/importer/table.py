"""The rows of the register's table or tables, whatever their columns are called."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from apps.risks.importer.codes import code_of_cell
from apps.risks.importer.document import Place
from apps.risks.importer.fields import entries
from apps.risks.importer.markdown import Row, Table, plain_text
from apps.risks.importer.outline import RESIDUAL, TESTING, Section
from apps.risks.importer.ratings import read_rating, read_score

# The first pattern that matches a header says which column it is; order matters.
_COLUMNS = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"residual|残留|残存", "residual"),
        (r"^(?:prob|likelihood|p$|発生?確率|確率|発生可能性|可能性)", "probability"),
        (r"^(?:impact|i$|影響度?$|インパクト)", "impact"),
        (r"score|^rating$|^risk rating$|^p\s*[x×*]\s*i$|スコア", "score"),
        (r"^(?:risk )?priority|^risk level$|^level$|^tier$|優先度", "priority"),
        (r"^(?:risk )?categor|^cat\.?$|^type$|カテゴリ|分類", "category"),
        (r"^mitigation|^response|緩和策|対策|軽減策", "mitigation"),
        (r"component|^affected|コンポーネント", "components"),
        (r"^origin|^story|^source|^from|出典|起源", "origin"),
        (r"^(?:risk )?(?:title|name)|^risk$|^summary$|^threat$|^issue$", "title"),
        (r"タイトル|リスク名|^リスク$", "title"),
        (r"descri|^details?$|^scenario|説明|内容|概要", "description"),
    )
)
_TEXTS = ("description", "title", "mitigation", "components")
_RATED = ("probability", "impact", "score")
_BROKEN_CELLS = re.compile(r"\n+")


@dataclass(frozen=True)
class RegisterRow:
    """One row: `columns` maps the register's column names to text, `cells` the printed headers."""

    code: str
    place: Place
    columns: dict[str, str]
    cells: tuple[tuple[str, str], ...]
    table: int

    def text(self, column: str) -> str:
        """The text of a column, '' where the table has no such column."""
        return self.columns.get(column, "")


@dataclass(frozen=True)
class _Layout:
    """A table with the numbers of its columns by name."""

    table: Table
    section: Section
    id_column: int
    columns: dict[str, int]


def read_register(sections: Iterable[Section], has_details: bool) -> list[RegisterRow]:
    """The rows of all tables that rate risks; a table that repeats another's rows adds none.

    Where no table rates and no risk is described elsewhere, the first table with codes and a text
    is taken.
    """
    layouts = [layout for section in sections for layout in _layouts(section)]
    fullest = max((_rated_columns(layout) for layout in layouts), default=0)
    if fullest == 0:
        named = [layout for layout in layouts if _has_text(layout)]
        chosen = [] if has_details else named[:1]
    else:
        wanted = 2 if fullest >= 2 else 1
        chosen = [layout for layout in layouts if _rated_columns(layout) >= wanted]
    return list(_without_repetitions(chosen))


def _layouts(section: Section) -> Iterator[_Layout]:
    if section.kind in (RESIDUAL, TESTING):
        return
    for entry in entries(section.blocks):
        if isinstance(entry, Table) and (id_column := _id_column(entry)) is not None:
            columns = _named_columns(entry, id_column)
            yield _Layout(entry, section, id_column, columns)


def _id_column(table: Table) -> int | None:
    """The first column in which at least half of the filled cells begin with a code."""
    for column in range(len(table.header)):
        cells = [row.cells[column] for row in table.rows if row.cells[column]]
        coded = sum(1 for cell in cells if _is_code(cell))
        if coded and 2 * coded >= len(cells):
            return column
    return None


def _is_code(cell: str) -> bool:
    found = code_of_cell(cell)
    return found is not None and found[0][0].isupper()


def _named_columns(table: Table, id_column: int) -> dict[str, int]:
    columns: dict[str, int] = {}
    for number, header in enumerate(table.header):
        words = (
            re.sub(r"\([^)]*\)", "", unicodedata.normalize("NFKC", header)).strip(" *:").casefold()
        )
        name = next((name for pattern, name in _COLUMNS if pattern.search(words)), "")
        if name and number != id_column:
            columns.setdefault(name, number)
    return columns


def _rated_columns(layout: _Layout) -> int:
    return sum(1 for name in _RATED if name in layout.columns)


def _has_text(layout: _Layout) -> bool:
    if "title" in layout.columns or "description" in layout.columns:
        return True
    found = code_of_cell(layout.table.rows[0].cells[layout.id_column])
    return bool(found and found[1])


def _without_repetitions(layouts: Iterable[_Layout]) -> Iterator[RegisterRow]:
    seen: dict[str, list[RegisterRow]] = {}
    for number, layout in enumerate(layouts):
        for row in _rows(layout, number):
            earlier = [known for known in seen.get(row.code, ()) if known.table != number]
            if any(_rates_alike(row, known) for known in earlier):
                continue
            seen.setdefault(row.code, []).append(row)
            yield row


def _rates_alike(row: RegisterRow, earlier: RegisterRow) -> bool:
    both = [name for name in _RATED if row.text(name) and earlier.text(name)]
    return all(_value(name, row.text(name)) == _value(name, earlier.text(name)) for name in both)


def _value(column: str, text: str) -> str:
    value = read_score(text).value if column == "score" else read_rating(text).value
    return text.casefold() if value is None else str(value)


def _rows(layout: _Layout, number: int) -> Iterator[RegisterRow]:
    header = layout.table.header
    for row in layout.table.rows:
        cells = _aligned(row, layout)
        found = code_of_cell(cells[layout.id_column])
        if found is None:
            continue
        columns = {name: cells[column] for name, column in layout.columns.items()}
        if found[1] and not columns.get("title"):
            columns["title"] = found[1]
        yield RegisterRow(
            found[0],
            layout.section.place(row.line),
            {name: _BROKEN_CELLS.sub("\n", text) for name, text in columns.items()},
            tuple(zip(header, cells, strict=True)),
            number,
        )


def _aligned(row: Row, layout: _Layout) -> tuple[str, ...]:
    """The cells under their headers; an unescaped bar within a text gives one cell too many.

    The cells are then joined at the first column that leaves the rated columns readable.
    """
    width = len(layout.table.header)
    if not row.surplus or _is_readable(row.cells, layout):
        return row.cells
    extra = len(row.surplus) - width
    texts = [layout.columns[name] for name in _TEXTS if name in layout.columns]
    others = [column for column in range(width) if column not in (*texts, layout.id_column)]
    for column in (*texts, *others):
        joined = " | ".join(row.surplus[column : column + extra + 1])
        source = (*row.surplus[:column], joined, *row.surplus[column + extra + 1 :])
        cells = tuple(plain_text(cell) for cell in source)
        if _is_readable(cells, layout):
            return cells
    return row.cells


def _is_readable(cells: tuple[str, ...], layout: _Layout) -> bool:
    columns = layout.columns
    ratings = [read_rating(cells[columns[name]]) for name in _RATED[:2] if name in columns]
    scores = [read_score(cells[columns["score"]])] if "score" in columns else []
    return all(rating.value is not None for rating in ratings) and all(
        score.value is not None for score in scores
    )
