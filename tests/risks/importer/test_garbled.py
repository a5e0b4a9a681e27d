"""Documents that are broken anywhere give a document or a refusal, never another exception."""

import random
import time
from pathlib import Path

import pytest

from apps.risks.importer.decoding import Source, decode
from apps.risks.importer.document import ProfileDocument
from apps.risks.importer.read import UnreadableProfile, read_text
from tests.risks.corpus import REGISTER, documents, read_string

SIGNS = "|-#*:()[]`><9\n \t\\_=&🔴（３\u2028"


def read_bytes(content: bytes) -> ProfileDocument | None:
    try:
        return read_text(Source(decode(content), "0" * 64), "1.1-risk-20250101.md")
    except UnreadableProfile:
        return None


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.stem)
def test_a_document_may_end_anywhere(path: Path) -> None:
    content = path.read_bytes()
    whole = read_bytes(content)
    assert whole is not None
    for end in range(0, len(content), 97):
        read_bytes(content[:end])


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.stem)
def test_lines_bytes_and_signs_may_stand_anywhere(path: Path) -> None:
    chance = random.Random(path.stem)
    content = path.read_bytes()
    for _ in range(10):
        lines = content.decode().split("\n")
        chance.shuffle(lines)
        assert read_bytes("\n".join(lines).encode()) is not None

        garbled = bytearray(content)
        for _ in range(30):
            garbled[chance.randrange(len(garbled))] = chance.randrange(256)
        read_bytes(bytes(garbled))

        text = list(content.decode())
        for _ in range(len(text) // 20):
            text[chance.randrange(len(text))] = chance.choice(SIGNS)
        assert read_bytes("".join(text).encode()) is not None


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "*a " * 50_000,
        ">" * 50_000 + "x",
        "".join("  " * depth + "- a\n" for depth in range(500)),
        "<!--" * 50_000,
        "|" * 50_000 + "\n" + "|-" * 25_000,
        "# TECH-001\n" * 5_000,
        "a:" * 50_000,
    ],
    ids=["links", "stars", "quotes", "nested lists", "comments", "bars", "headings", "colons"],
)
def test_hostile_repetition_ends_in_seconds(text: str) -> None:
    started = time.monotonic()
    read_string(text)
    assert time.monotonic() - started < 10


def test_numbers_of_any_length_are_no_numbers() -> None:
    long = "9" * 5_000
    text = f"# Risk Profile: Story {long}\n\nDate: {long}-01-01\n\n- Total Risks: {long}\n\n"
    text += "| ID | Title | P | I | Score |\n|-|-|-|-|-|\n"
    text += f"| TECH-001 | t | {long} | 2 | {long} |\n\n- **Security**: {long} risks\n"
    risk = read_string(text).risks[0]
    assert (risk.probability.value, risk.score, risk.score_stated) == (None, None, None)


def test_ten_thousand_rows_are_read() -> None:
    rows = "".join(
        f"| T{number // 10_000}-{number:04d} | t | 2 | 3 | 6 |\n" for number in range(10_000)
    )
    text = "| ID | Title | P | I | Score |\n|-|-|-|-|-|\n" + rows
    assert len(read_string(text).risks) == 10_000


def test_the_register_itself_is_sound() -> None:
    assert not read_string(REGISTER).discrepancies
