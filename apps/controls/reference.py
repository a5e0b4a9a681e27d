"""Writes docs/controls.md from the catalogue: python -m apps.controls.reference."""

import inspect
import os
import re
import sys
from collections.abc import Iterator
from itertools import groupby
from types import ModuleType

import django

from apps.controls.control import Control, Kind, Scope
from apps.controls.discovery import controls_of, modules
from config.env import BASE_DIR

PAGE = BASE_DIR / "docs" / "controls.md"
INTRODUCTION = """\
# Controls

Generated from `apps/controls/catalogue/` by `make docs`; a test compares them.

A control answers *pass*, *fail*, *unknown* (it could not see, and says what would help) or *not
applicable*, for one of the reasons listed with it. *Platform* controls need a connection only and
judge any PostgreSQL; *application* controls need the project. *Active* ones attempt what must be
refused. Each is proven by specimens: the defect is planted and must be found, repaired and must be
gone, and a near miss must pass. How to run them: [assess.md](assess.md).
"""


def page() -> str:
    """The whole text of docs/controls.md; the catalogue must be importable."""
    return "\n".join([INTRODUCTION, *_totals(), *_sections()]).rstrip() + "\n"


def _by_risk() -> Iterator[tuple[str, list[ModuleType]]]:
    """The catalogue's modules of each risk, in the order of its first control's number."""
    found = [module for module in modules() if controls_of(module)]
    found.sort(key=lambda module: min(map(_order, controls_of(module))))
    for risk, group in groupby(found, key=lambda module: controls_of(module)[0].risk):
        yield risk, list(group)


def _order(control: Control) -> tuple[str, int]:
    return control.risk, int(control.id.rpartition(".")[2])


def _totals() -> Iterator[str]:
    every = [control for module in modules() for control in controls_of(module)]
    specimens = sum(len(control.specimens) + len(control.inapplicable) for control in every)
    platform = sum(control.scope is Scope.PLATFORM for control in every)
    active = sum(control.kind is Kind.ACTIVE for control in every)
    yield (
        f"{len(every)} controls of {len({control.risk for control in every})} risks, {platform} of "
        f"them platform, {active} active; {specimens} specimens.\n"
    )


def _sections() -> Iterator[str]:
    for risk, group in _by_risk():
        yield f"## {risk}\n"
        for module in group:
            yield inspect.cleandoc(module.__doc__ or "") + "\n"
            for control in sorted(controls_of(module), key=_order):
                yield from _control(control)


def _control(control: Control) -> Iterator[str]:
    kind = ", active" if control.kind is Kind.ACTIVE else ""
    yield f"### {control.id} {_words(control.title)}\n"
    yield f"{str(control.scope).capitalize()}{kind}. Found when planted:\n"
    for specimen in control.specimens:
        needs = " (needs a server with TLS)" if specimen.needs == "tls" else ""
        yield f"- {_words(specimen.name)}{needs}"
    yield ""
    for reason in control.not_applicable.values():
        yield f"Not applicable: {_words(reason)}\n"


def _words(text: str) -> str:
    """Text that means nothing to Markdown."""
    return re.sub(r"([\\`*_<>|])", r"\\\1", text)


def write() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(BASE_DIR)}\n")


if __name__ == "__main__":
    write()
