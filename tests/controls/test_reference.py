"""The page about the controls is the catalogue, and fresh."""

import re

from apps.controls.discovery import all_controls, modules
from apps.controls.reference import PAGE, page


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it again: make docs"


def test_it_names_every_control_once_with_its_specimens_and_reasons() -> None:
    text = page()
    named = re.findall(r"^### ([A-Z]+-[0-9]{3}\.[0-9]+) ", text, re.MULTILINE)
    assert sorted(named) == sorted(control.id for control in all_controls())
    sections = dict(zip(named, re.split(r"^### .*$", text, flags=re.MULTILINE)[1:], strict=True))
    for control in all_controls():
        section = sections[control.id]
        listed = section.split("\n## ")[0].count("\n- ")
        assert listed >= len(control.specimens), control.id
        assert section.count("Not applicable: ") == len(control.not_applicable), control.id


def test_every_risk_has_one_heading_and_the_words_of_its_modules() -> None:
    text = page()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert sorted(headings) == sorted({control.risk for control in all_controls()})
    for module in modules():
        assert (module.__doc__ or "").strip().splitlines()[0] in text
