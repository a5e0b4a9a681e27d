"""The documents that the tests of the register read."""

from pathlib import Path

import pytest

from apps.risks.importer.decoding import Source, decode
from apps.risks.importer.document import ProfileDocument
from apps.risks.importer.read import read_profile, read_text

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "importer" / "corpus"
SUPPLIED = ROOT.parent / "shared" / "profiles" / "1.3-risk-20250127.md"

REGISTER = """# Risk Profile: Story 1.1

| Risk ID | Category | Description | Probability | Impact | Score | Priority |
|---|---|---|---|---|---|---|
| SEC-001 | Security | Keys in a mail | Medium (2) | High (3) | 6 | High |
| OPS-001 | Operational | No rotation | Low (1) | Medium (2) | 2 | Low |
"""


def documents() -> list[Path]:
    """Every document at hand, the supplied profile among them where it is there."""
    return [*sorted(CORPUS.glob("*.md")), *([SUPPLIED] if SUPPLIED.exists() else [])]


def read(name: str) -> ProfileDocument:
    """One document of the corpus."""
    return read_profile(CORPUS / f"{name}.md")


def read_string(text: str, path: str = "profile.md") -> ProfileDocument:
    """A document that a test has written itself."""
    return read_text(Source(decode(text.encode()), "0" * 64), path)


def supplied_path() -> Path:
    """The supplied profile, or a skip with its reason."""
    if not SUPPLIED.exists():
        pytest.skip(
            "the supplied profile is not there: expected ../shared/profiles/ beside the project"
        )
    return SUPPLIED
