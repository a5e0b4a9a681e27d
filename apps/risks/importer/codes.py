"""Risk codes: how they look, where they stand in headings, and the category that they name."""

import re
import unicodedata
from dataclasses import dataclass

CATEGORIES = {
    "TECH": "Technical",
    "SEC": "Security",
    "PERF": "Performance",
    "DATA": "Data",
    "BUS": "Business",
    "OPS": "Operational",
}
_CATEGORY_WORDS = {
    "technology": "technical",
    "operations": "operational",
    "ops": "operational",
    "data integrity": "data",
} | {prefix.casefold(): name.casefold() for prefix, name in CATEGORIES.items()}

# Standards and tickets that look like codes where a heading begins with them.
_NOT_RISKS = re.compile(
    "AC|ADR|AES|CVE|CWE|EPIC|FR|GPT|HTTP|ISO|NFR|PEP|RFC|RSA|SHA|STORY|TLS|US|UTF"
)

_HYPHEN = "[-‐‑–]"
_CODE = (
    rf"[A-Z][A-Z0-9]{{0,11}}{_HYPHEN}\d{{1,4}}[a-z]?(?:{_HYPHEN}[A-Z0-9]{{1,12}}){{0,6}}(?![\w])"
)
_ANYWHERE = re.compile(rf"(?<![\w-])(?:{_CODE})")
_IN_CELL = re.compile(
    rf"^[\W_]*(?P<code>[A-Za-z]{{1,12}}(?:{_HYPHEN}|_)?\d{{1,5}}[a-z]?(?:{_HYPHEN}\w{{1,12}}){{0,6}})(?![\w])"
)
_HEADING = re.compile(
    r"^[^\w\[(【]*(?:\d+(?:\.\d+)*\s*[.)．、:]?\s+)?"
    r"(?:(?:critical|high|medium|low|minimal)?(?:[\s-]*priority)?\s*risks?\s*#?\d*\s*[:：–—-]?\s*)?"
    rf"[^\w\[(【]*[\[(【]?(?P<code>{_CODE})[\])】]?(?P<rest>.*)$",
    re.IGNORECASE | re.DOTALL,
)
_SEVERAL = re.compile(r"^\s*(?:[,、/&+]|and\b|to\b|\.\.|through\b)", re.IGNORECASE)
_SCORE_IN_TITLE = re.compile(
    r"\s*[(\[（|–—-]\s*(?:risk\s*)?(?:score|スコア)\s*[:：=]?\s*(?P<score>\d+[^)\]）]*)[)\]）]?\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class CodedHeading:
    """A heading that names one risk; `score` is the text of a score in it, or ''."""

    code: str
    title: str
    score: str


def codes_in(text: str) -> tuple[str, ...]:
    """Every code of a text once, in order."""
    return tuple(dict.fromkeys(normal_code(code) for code in _ANYWHERE.findall(text)))


def normal_code(code: str) -> str:
    """The code with plain hyphens, whichever dash was typed."""
    return re.sub(_HYPHEN, "-", code)


def code_of_cell(cell: str) -> tuple[str, str] | None:
    """The code that a cell begins with, and the text after it; None where there is no code."""
    match = _IN_CELL.match(unicodedata.normalize("NFKC", cell))
    if match is None:
        return None
    rest = unicodedata.normalize("NFKC", cell)[match.end() :]
    return normal_code(match["code"]), rest.strip(" \n)]】:：–—-")


def read_coded_heading(text: str) -> CodedHeading | None:
    """Reads `1. TECH-001: title`, `[TECH-001] title`, `High Risk: TECH-001 — title (Score 6)`."""
    match = _HEADING.match(text)
    if match is None or _is_no_risk(normal_code(match["code"])):
        return None
    rest = match["rest"]
    if _SEVERAL.match(rest):
        return None
    score = _SCORE_IN_TITLE.search(rest)
    title = rest[: score.start()] if score else rest
    return CodedHeading(
        normal_code(match["code"]), title.strip(" \t:：–—-*"), score["score"] if score else ""
    )


def category_of_code(code: str) -> str:
    """The category that the method gives to a prefix, or ''."""
    return CATEGORIES.get(code.partition("-")[0].upper(), "")


def category_key(name: str) -> str:
    """One key for the spellings of a category: `TECH`, `Technical risks` and `technical (TECH)`."""
    words = re.sub(r"\([^)]*\)", "", name).casefold()
    words = re.sub(r"\brisks?\b", "", words).strip(" :：*-")
    return _CATEGORY_WORDS.get(words, words)


def _is_no_risk(code: str) -> bool:
    prefix, _, number = code.partition("-")
    if prefix != prefix.upper():
        return True
    if prefix in CATEGORIES or prefix == "R":
        return False
    return _NOT_RISKS.fullmatch(prefix) is not None or len(re.sub(r"\D.*", "", number)) < 2
