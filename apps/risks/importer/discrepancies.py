"""Where a document contradicts itself: what it states against what its own register gives."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from apps.risks.importer.codes import category_key
from apps.risks.importer.details import Detail
from apps.risks.importer.document import (
    CategoryLine,
    DiscrepancyEntry,
    RiskEntry,
    Stated,
    Summary,
    TierCount,
)
from apps.risks.importer.fields import IMPACT, PROBABILITY, SCORE
from apps.risks.importer.ratings import Rating, read_rating, read_score
from apps.risks.importer.register import Pair
from apps.risks.method import (
    BMAD_6,
    GATE_WORDS,
    PRIORITIES,
    RATING_WORDS,
    WAIVED,
    document_gate,
    priority,
    story_score,
)

TOTAL_RISKS = "total_risks"
TIER_COUNT = "tier_count"
CATEGORY_COUNT = "category_count"
CATEGORY_TIER_COUNT = "category_tier_count"
CATEGORY_SUM = "category_sum"
STORY_SCORE = "story_score"
SCORE_PRODUCT = "score_product"
PRIORITY_LABEL = "priority_label"
SCALE_LABEL = "scale_label"
DETAIL_MISMATCH = "detail_mismatch"
MISSING_IN_TABLE = "missing_in_table"
DUPLICATE_CODE = "duplicate_code"
YAML_TOTAL = "yaml_total"
GATE_WORD = "gate_word"
KINDS = (
    TOTAL_RISKS,
    TIER_COUNT,
    CATEGORY_COUNT,
    CATEGORY_TIER_COUNT,
    CATEGORY_SUM,
    STORY_SCORE,
    SCORE_PRODUCT,
    PRIORITY_LABEL,
    SCALE_LABEL,
    DETAIL_MISMATCH,
    MISSING_IN_TABLE,
    DUPLICATE_CODE,
    YAML_TOTAL,
    GATE_WORD,
)


@dataclass(frozen=True)
class Register:
    """The risks that count: the rows of the table, or all risks where there is no table.

    A risk that is not rated may have any priority, so a count is contradicted only when no
    rating of the unrated could make it true.
    """

    risks: tuple[RiskEntry, ...]
    methodology: str

    @property
    def scores(self) -> list[int]:
        return [risk.score for risk in self.risks if risk.score is not None]

    @property
    def is_rated(self) -> bool:
        return len(self.scores) == len(self.risks)

    def of_category(self, name: str) -> "Register":
        key = category_key(name)
        risks = (risk for risk in self.risks if category_key(risk.category) == key)
        return Register(tuple(risks), self.methodology)

    def tier(self, name: str) -> int:
        """How many risks have this priority; version 6 counts a nine among the high ones."""
        counts = Counter(risk.priority for risk in self.risks)
        with_critical = name == "High" and self.methodology == BMAD_6
        return counts[name] + (counts["Critical"] if with_critical else 0)

    def contradicts(self, tier: str, stated: int) -> bool:
        computed = self.tier(tier)
        return not computed <= stated <= computed + len(self.risks) - len(self.scores)


def find_discrepancies(
    risks: tuple[RiskEntry, ...], pairs: Iterable[Pair], summary: Summary, methodology: str
) -> tuple[DiscrepancyEntry, ...]:
    """Every contradiction of the document, in the order of its lines."""
    if not risks and (summary.total is None or summary.total.value != "0"):
        # Nothing was understood, so nothing that is stated can be judged.
        return ()
    rows = tuple(risk for risk in risks if risk.has_row)
    register = Register(rows or risks, methodology)
    found = [
        *_totals(summary, register),
        *_tiers(TIER_COUNT, summary.tiers, register),
        *_tiers(YAML_TOTAL, summary.yaml_totals, register),
        *_scores(summary, register),
        *_categories(summary, register),
        *_duplicates(risks),
    ]
    for risk, (row, detail) in zip(risks, pairs, strict=True):
        found += _risk(risk)
        if detail is not None and row is not None:
            found += _detail(risk, detail, methodology)
        elif detail is not None and rows:
            absent = (MISSING_IN_TABLE, risk.place, risk.code, "absent", risk.code)
            found.append(DiscrepancyEntry(*absent))
    return tuple(sorted(found, key=lambda entry: (entry.place.line, KINDS.index(entry.kind))))


def _totals(summary: Summary, register: Register) -> Iterator[DiscrepancyEntry]:
    total = summary.total
    if total and int(total.value) != len(register.risks):
        yield _against(TOTAL_RISKS, total, len(register.risks))


def _tiers(kind: str, tiers: Iterable[TierCount], register: Register) -> Iterator[DiscrepancyEntry]:
    for tier in tiers:
        if register.contradicts(tier.tier, int(tier.stated.value)):
            yield _against(kind, tier.stated, register.tier(tier.tier), tier.tier)


def _scores(summary: Summary, register: Register) -> Iterator[DiscrepancyEntry]:
    stated = summary.score
    if stated and register.is_rated:
        computed = story_score(register.scores, register.methodology)
        if int(stated.value) != computed:
            yield _against(STORY_SCORE, stated, computed)
    gate = summary.gate
    if gate and gate.value != WAIVED:
        word = document_gate(register.scores)
        is_milder = GATE_WORDS.index(gate.value) < GATE_WORDS.index(word)
        if gate.value != word and (register.is_rated or is_milder):
            yield _against(GATE_WORD, gate, word)


def _categories(summary: Summary, register: Register) -> Iterator[DiscrepancyEntry]:
    for line in summary.categories:
        rows = register.of_category(line.category)
        if line.count is not None and line.count != len(rows.risks):
            stated = Stated(str(line.count), line.place)
            yield _against(CATEGORY_COUNT, stated, len(rows.risks), line.category)
        for tier, number in line.tiers:
            if rows.contradicts(tier, number):
                stated = Stated(str(number), line.place)
                subject = f"{line.category} {tier}"
                yield _against(CATEGORY_TIER_COUNT, stated, rows.tier(tier), subject)
        yield from _category_sum(line)
    total = summary.total
    counts = [line.count for line in summary.categories]
    if total and len(counts) > 1 and None not in counts:
        whole = sum(count for count in counts if count is not None)
        if whole != int(total.value):
            yield _against(CATEGORY_SUM, total, whole, "all categories")


def _category_sum(line: CategoryLine) -> Iterator[DiscrepancyEntry]:
    """A line's own numbers; one that names only its worst priorities may leave the rest out."""
    tiers = dict(line.tiers)
    whole = sum(tiers.values())
    if line.count is None or not tiers or whole == line.count:
        return
    names_all = {"High", "Medium", "Low"} <= tiers.keys()
    if whole > line.count or names_all:
        yield _against(CATEGORY_SUM, Stated(str(line.count), line.place), whole, line.category)


def _duplicates(risks: Iterable[RiskEntry]) -> Iterator[DiscrepancyEntry]:
    rows = [risk for risk in risks if risk.has_row] or list(risks)
    counts = Counter(risk.code for risk in rows)
    for risk in rows:
        if risk.occurrence == 2:
            stated = Stated(str(counts[risk.code]), risk.place)
            yield _against(DUPLICATE_CODE, stated, 1, risk.code, risk.code)


def _risk(risk: RiskEntry) -> Iterator[DiscrepancyEntry]:
    if risk.score is not None and risk.score_stated not in (None, risk.score):
        stated = Stated(str(risk.score_stated), risk.place)
        yield _against(SCORE_PRODUCT, stated, risk.score, "score", risk.code)
    printed = risk.priority_stated
    if risk.priority and printed in PRIORITIES and printed != risk.priority:
        stated = Stated(printed, risk.place)
        yield _against(PRIORITY_LABEL, stated, risk.priority, "priority", risk.code)
    for name, rating in (("probability", risk.probability), ("impact", risk.impact)):
        if rating.contradicted_label and rating.value:
            stated = Stated(rating.contradicted_label, risk.place)
            yield _against(SCALE_LABEL, stated, RATING_WORDS[rating.value], name, risk.code)


def _detail(risk: RiskEntry, detail: Detail, methodology: str) -> Iterator[DiscrepancyEntry]:
    """The detail block against the row of the same risk."""
    printed = read_score(detail.texts.get(SCORE, ""))
    of_row = {risk.score, risk.score_stated} - {None}
    if printed.value is not None and of_row and printed.value not in of_row:
        stated = Stated(str(printed.value), detail.place_of(SCORE))
        computed = risk.score if risk.score is not None else risk.score_stated
        yield _against(DETAIL_MISMATCH, stated, computed, "score", risk.code)
    yield from _detail_rating(risk, detail, PROBABILITY, risk.probability)
    yield from _detail_rating(risk, detail, IMPACT, risk.impact)
    # A label that fits the block's own score says nothing that the score does not say already.
    meant = priority(printed.value, methodology) or risk.priority
    known = {"", meant, risk.priority, risk.priority_stated}
    if meant and printed.priority not in known:
        stated = Stated(printed.priority, detail.place_of(SCORE))
        yield _against(PRIORITY_LABEL, stated, meant, "priority", risk.code)


def _detail_rating(
    risk: RiskEntry, detail: Detail, name: str, of_row: Rating
) -> Iterator[DiscrepancyEntry]:
    found = read_rating(detail.texts.get(name, ""))
    if found.value is not None and of_row.value is not None and found.value != of_row.value:
        stated = Stated(found.word, detail.place_of(name))
        yield _against(DETAIL_MISMATCH, stated, of_row.word, name, risk.code)


def _against(
    kind: str, stated: Stated, computed: object, subject: str = "", risk: str | None = None
) -> DiscrepancyEntry:
    return DiscrepancyEntry(kind, stated.place, stated.value, str(computed), risk, subject)
