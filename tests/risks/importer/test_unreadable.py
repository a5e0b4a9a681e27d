"""What cannot be read is refused with one sentence."""

import os
import time
from pathlib import Path

import pytest

from apps.risks.importer.read import UnreadableProfile, read_profile
from tests.risks.corpus import REGISTER


def refusal(path: Path) -> UnreadableProfile:
    with pytest.raises(UnreadableProfile) as caught:
        read_profile(path)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("content", [b"", b" \n\t\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.md"
    path.write_bytes(content)
    assert str(refusal(path)) == "The file is empty; expected a risk profile in Markdown."


def test_a_nul_byte_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "binary.md"
    path.write_bytes(b"# Risk\n\nPK\x03\x04\0\0")
    error = refusal(path)
    assert error.line == 3
    assert str(error).startswith("Line 3: a NUL byte stands here, so the file is not text;")


def test_a_byte_that_is_no_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.md"
    path.write_bytes("# Risiko\n\nfür".encode("latin-1"))
    error = refusal(path)
    assert error.line == 3
    assert str(error).startswith("Line 3: the byte 0xFC is not valid UTF-8;")


def test_half_a_utf_16_character_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "half.md"
    path.write_bytes("# Risk\n".encode("utf-16") + b"x")
    assert "is not valid UTF-16" in str(refusal(path))


def test_ten_megabytes_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "large.md"
    path.write_bytes(b"x" * 10_000_000)
    started = time.monotonic()
    error = refusal(path)
    assert time.monotonic() - started < 1
    assert str(error) == (
        "The file has 10,000,000 bytes; expected a risk profile of at most 5,000,000 bytes."
    )


def test_a_folder_a_missing_file_and_a_pipe_are_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.md"
    os.mkfifo(pipe)
    assert str(refusal(tmp_path)) == "The path is a folder; expected one Markdown file."
    assert str(refusal(tmp_path / "none.md")).startswith("There is no such file;")
    assert str(refusal(pipe)).startswith("The path is no regular file;")
    assert str(refusal(tmp_path / ("n" * 300))).startswith("The file cannot be opened (File name")
    assert str(refusal(tmp_path / "a\0b")).startswith("The file cannot be opened (embedded null")


def test_a_file_that_the_system_does_not_open_is_refused_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "round.md"
    path.symlink_to(path)
    assert str(refusal(path)) == (
        "The file cannot be opened (Too many levels of symbolic links); "
        "expected a readable Markdown file."
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_marked_encoding_and_line_end_reads_alike(
    tmp_path: Path, encoding: str, line_end: str
) -> None:
    path = tmp_path / "profile.md"
    path.write_bytes(REGISTER.replace("\n", line_end).encode(encoding))
    document = read_profile(path)
    assert [(risk.code, risk.score, risk.place.line) for risk in document.risks] == [
        ("SEC-001", 6, 5),
        ("OPS-001", 2, 6),
    ]
