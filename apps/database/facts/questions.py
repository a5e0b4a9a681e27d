"""How questions whose text lies in .sql files are asked, and names are written for an answer."""

from functools import cache
from pathlib import Path
from typing import Any

from django.db.backends.utils import CursorWrapper


@cache
def _text(name: str) -> str:
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def ask(
    cursor: CursorWrapper, *files: str, parameters: list[Any] | None = None
) -> list[tuple[Any, ...]]:
    """The rows of a question whose text lies in these files, one after the other."""
    # sql-reviewed: files beside this module; what varies travels as a parameter.
    cursor.execute("\n".join(map(_text, files)), parameters)
    return list(cursor.fetchall())


def quoted(*parts: str) -> str:
    """A name as SQL writes it, such as `"public"."book"`, whatever its parts hold."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def columns_in(names: tuple[str, ...]) -> str:
    """Column names as SQL lists them, such as `"a", "b"`."""
    return ", ".join(map(quoted, names))
