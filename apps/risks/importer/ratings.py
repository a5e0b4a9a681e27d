"""Probability, impact, score and priority as they are printed, and what can be trusted in them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from apps.risks.method import PRIORITIES, RATING_WORDS

_LOW = "low l baja bajo baixa baixo niedrig gering faible bassa basso 低 低い 낮음 низкая низкий"
_MEDIUM = (
    "medium med med. m media medio média médio mittel moyen moyenne "
    "中 中程度 普通 중간 средняя средний"
)
_HIGH = "high h alta alto hoch élevé élevée elevé haute 高 高い 높음 высокая высокий"
_VALUES = {
    word: value for value, words in ((1, _LOW), (2, _MEDIUM), (3, _HIGH)) for word in words.split()
}
# A printed word outside this vocabulary is another language's, and contradicts nothing.
_SCALE_WORDS = re.compile(
    r"\b(?:low|medium|med|high|critical|minimal|moderate|severe|negligible|catastrophic)\b"
)
_PRIORITY_WORDS = {word.casefold(): word for word in PRIORITIES} | {
    "med": "Medium",
    "クリティカル": "Critical",
    "重大": "Critical",
    "高": "High",
    "中": "Medium",
    "低": "Low",
    "最小": "Minimal",
}

_ARROW = re.compile(r"→|⇒|[-=]+>")
_RANGE = re.compile(
    r"^\W*(?:very\s+)?[^\W\d]+\s*(?:[-–—~/〜]|\s(?:to|or)\s)\s*(?:very\s+)?"
    r"(?:low|med|medium|high|critical)\b",
    re.IGNORECASE,
)
_REASON = re.compile(r"\s[-–—]+\s|\s*[–—]+\s*|[;；。]|(?<!\d)[,，]|\.\s|\n")
_RATING = re.compile(
    r"^(?P<label>[^\d(\[:=]*?)\s*[(\[=~]*\s*"
    r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>%|/\s*\d+)?(?P<closing>\s*[)\]:=(]+)?\s*"
    r"(?P<after>[^\d)\]]*)"
)
_SCORE = re.compile(
    r"^(?P<label>[^\d(]*?)\s*\(?\s*(?P<number>\d+)(?P<rest>\.\d+|\s*%|\s*/\s*\d+)?(?P<after>.*)$"
)
_LARGEST_STATED_SCORE = 32_767


@dataclass(frozen=True)
class Rating:
    """A probability or an impact: as printed, and from 1 to 3 where that can be known.

    `number` is None where no number is printed; `is_foreign` marks a number of another scale.
    """

    raw: str = ""
    label: str = ""
    number: float | None = None
    value: int | None = None
    is_foreign: bool = False

    @property
    def contradicted_label(self) -> str:
        """The printed word where it is not the method's word for the printed number, else ''."""
        if self.value is None or self.number is None or not self.label:
            return ""
        meant = _VALUES.get(self.label.casefold())
        if meant is None and not _SCALE_WORDS.search(self.label.casefold()):
            return ""
        return "" if meant == self.value else self.label

    @property
    def word(self) -> str:
        """The method's word for the value, or what is printed where there is no value."""
        return self.raw if self.value is None else RATING_WORDS[self.value]


@dataclass(frozen=True)
class ScoreText:
    """A score as printed; `value` is None where it is none, or out of another total than 9."""

    raw: str = ""
    value: int | None = None
    priority: str = ""


def read_rating(raw: str) -> Rating:
    """Reads `Medium (2)`, `2`, `Med`, `M (2)`, `High (80%)` and the like; invents nothing."""
    text = _after_arrow(_normal(raw))
    is_range = _RANGE.match(text) is not None and " - " not in text
    head = text if is_range else _REASON.split(text, maxsplit=1)[0].strip()
    match = _RATING.match(head)
    if match is None or _counts_something(match):
        label = _word(re.split(r"[(\[:\d]", head, maxsplit=1)[0])
        return Rating(raw, label, None, _VALUES.get(label.casefold()))
    label = _word(match["label"]) or _word(match["after"])
    unit = (match["unit"] or "").replace(" ", "")
    if unit == "%":
        return Rating(raw, label, None, _VALUES.get(label.casefold()), is_foreign=not label)
    number = float(match["number"])
    if unit not in ("", "/3") or not 1 <= number <= max(RATING_WORDS):
        return Rating(raw, label, number, None, is_foreign=True)
    return Rating(raw, label, number, int(number) if number.is_integer() else None)


def _counts_something(match: re.Match[str]) -> bool:
    """Whether the number is that of a sentence (`3 services stop`) and not a rating."""
    after = match["after"].strip()
    if not after or match["closing"] or match["unit"]:
        return False
    return after.casefold() not in _VALUES


def read_score(raw: str) -> ScoreText:
    """Reads `6`, `6*`, `6 (HIGH)`, `High (6)`, `2 x 3 = 6`, `6/9`, and `8 → 6` as 6."""
    text = _after_arrow(_normal(raw).partition("\n")[0]).rpartition("=")[2].strip()
    match = _SCORE.match(text)
    if match is None:
        return ScoreText(raw, None, read_priority(text))
    value = (
        int(match["number"]) if len(match["number"]) <= len(str(_LARGEST_STATED_SCORE)) else None
    )
    rest = (match["rest"] or "").replace(" ", "").removesuffix(".0")
    if rest not in ("", "/9") or (value or 0) > _LARGEST_STATED_SCORE:
        value = None
    label = read_priority(match["label"]) or read_priority(_after_score(match["after"]))
    return ScoreText(raw, value, label)


def read_priority(raw: str) -> str:
    """The method's word for a priority, or '' where the text is none of the five."""
    words = _word(_normal(raw)).casefold()
    words = re.sub(r"\s*(?:priority|risks?|リスク)$", "", words)
    return _PRIORITY_WORDS.get(words, "")


def on_one_scale(ratings: Iterable[tuple[Rating, Rating]]) -> list[tuple[Rating, Rating]]:
    """The ratings of one document, all without a value when the document rates otherwise.

    A single number above three may be a slip, but where such numbers are not outweighed by
    cells that print the method's own pairs (`Medium (2)`), a 2 does not mean Medium.
    """
    pairs = list(ratings)
    seen: Counter[str] = Counter(_kind(rating) for pair in pairs for rating in pair)
    slips = seen["foreign"] + seen["contradicted"]
    if not seen["foreign"] or (seen["anchored"] > slips and seen["contradicted"] < 2):
        return pairs
    return [(replace(p, value=None), replace(i, value=None)) for p, i in pairs]


def _kind(rating: Rating) -> str:
    if rating.is_foreign:
        return "foreign"
    meant = _VALUES.get(rating.label.casefold())
    if meant is None or rating.number is None:
        return "plain"
    return "anchored" if rating.number == meant else "contradicted"


def _normal(raw: str) -> str:
    """Full-width digits, brackets and colons become the plain ones."""
    return unicodedata.normalize("NFKC", raw).replace("*", "").strip()


def _after_arrow(text: str) -> str:
    return _ARROW.split(text)[-1].strip()


def _after_score(text: str) -> str:
    return re.split(r"[),;]|\s[-–—]\s.*\s[-–—]\s", text.strip(" -–—([:/"), maxsplit=1)[0]


def _word(text: str) -> str:
    """The text without signs and emoji round it."""
    return re.sub(r"^[\W_]+|[^\w.]+$", "", text).strip()
