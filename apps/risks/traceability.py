"""Writes docs/traceability.md from docs/traceability.toml: python -m apps.risks.traceability."""

import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from config.env import BASE_DIR

SOURCE = BASE_DIR / "docs" / "traceability.toml"
PAGE = BASE_DIR / "docs" / "traceability.md"
# Items that stand under no risk.
ALL = "all"
KINDS = {
    "component": "Components",
    "mitigation": "Mitigations",
    "testing_focus": "Testing focus",
    "priority_test": "Priority tests",
    "monitoring": "Monitoring",
    "review_trigger": "Review triggers",
    "immediate_action": "Immediate actions",
    "documentation": "Documents",
}
INTRODUCTION = """\
# Traceability

Generated from `docs/traceability.toml` by `make docs`; a test compares them, counts the items of
the supplied profile, and looks for every control, test and drill that is named.

Each item of the profile `1.3-risk-20250127.md`, named by its kind, its risk and its place there,
with what answers it here: a control that judges it live, a test or a drill that causes it, or a
reason why nothing does.
"""
_CONTROL = re.compile(r"[A-Z]+-[0-9]{3}\.[1-9][0-9]*")


class Untraceable(Exception):
    """An entry of the source has another form; the message says where and what was expected."""


@dataclass(frozen=True)
class Item:
    """One item of the profile, and what answers it: ids, or a reason."""

    kind: str
    code: str
    place: int
    text: str
    answers: tuple[str, ...]
    reason: str

    @property
    def name(self) -> str:
        return f"{self.kind} {self.code} {self.place}"

    @property
    def controls(self) -> list[str]:
        return [answer for answer in self.answers if _CONTROL.fullmatch(answer)]

    @property
    def tests(self) -> list[str]:
        """Tests and drills, as pytest names them."""
        return [answer for answer in self.answers if not _CONTROL.fullmatch(answer)]


def read_items(text: str) -> list[Item]:
    """The items of the source, in its order. Raises Untraceable."""
    found = []
    for kind, codes in tomllib.loads(text).items():
        if kind not in KINDS:
            raise Untraceable(f"{kind} is no kind; expected one of {', '.join(KINDS)}.")
        for code, entries in codes.items():
            for place, entry in entries.items():
                found.append(_item(kind, code, place, entry))
    return found


def _item(kind: str, code: str, place: str, entry: dict[str, object]) -> Item:
    name = f"{kind} {code} {place}"
    by, reason = entry.get("by", []), entry.get("reason", "")
    if not isinstance(by, list) or not isinstance(reason, str) or bool(by) is bool(reason):
        raise Untraceable(f"{name}: expected either `by`, a list of ids, or a `reason`.")
    if not place.isdecimal() or not str(entry.get("is", "")).strip():
        raise Untraceable(f"{name}: expected a number as its key, and `is` in words.")
    return Item(kind, code, int(place), str(entry["is"]), tuple(map(str, by)), reason)


def page(items: Sequence[Item]) -> str:
    """The whole text of docs/traceability.md."""
    return "\n".join([INTRODUCTION, *_totals(items), *_sections(items)]).rstrip() + "\n"


def _totals(items: Sequence[Item]) -> Iterator[str]:
    yield "| Kind | Items | Judged by a control | By tests or drills only | A reason |"
    yield "|---|---|---|---|---|"
    for kind, heading in KINDS.items():
        yield _total(heading, [item for item in items if item.kind == kind])
    yield f"{_total('All', items)}\n"


def _total(heading: str, items: Sequence[Item]) -> str:
    judged = sum(bool(item.controls) for item in items)
    reasons = sum(bool(item.reason) for item in items)
    return f"| {heading} | {len(items)} | {judged} | {len(items) - judged - reasons} | {reasons} |"


def _sections(items: Sequence[Item]) -> Iterator[str]:
    for kind, heading in KINDS.items():
        yield f"## {heading}\n"
        codes = dict.fromkeys(item.code for item in items if item.kind == kind)
        for code in codes:
            if code != ALL:
                yield f"### {code}: {heading.lower()}\n"
            elif len(codes) > 1:
                yield f"### No risk in particular: {heading.lower()}\n"
            yield "| Item | What answers it | Proven by |\n|---|---|---|"
            rows = [item for item in items if (item.kind, item.code) == (kind, code)]
            yield "\n".join(map(_row, rows)) + "\n"


def _row(item: Item) -> str:
    proof = "<br>".join(map(_link, item.answers)) if item.answers else f"Nothing: {item.reason}"
    return f"| {item.place} | {item.text} | {proof} |".replace("\n", " ")


def _link(answer: str) -> str:
    if _CONTROL.fullmatch(answer):
        return f"`{answer}`"
    path, _, name = answer.partition("::")
    words = name.removeprefix("test_").replace("_", " ")
    kind = "drill" if path.startswith("drills/") else "test"
    return f"{kind}: [{words}](../{path})"


if __name__ == "__main__":
    PAGE.write_text(page(read_items(SOURCE.read_text(encoding="utf-8"))), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(BASE_DIR)}\n")
