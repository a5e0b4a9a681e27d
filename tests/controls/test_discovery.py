"""The catalogue refuses what could not be trusted."""

from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import pytest

from apps.controls.control import Control, Finding, Inapplicable, Specimen, control
from apps.controls.discovery import CatalogueError, all_controls, controls_of, select
from apps.controls.planting import nothing

SPECIMEN = Specimen("one", nothing, nothing, nothing, "subject")


@control("SEC-009.1", "An example", specimens=(SPECIMEN,))
def example(inspection: object) -> Iterator[Finding]:
    yield from ()


def module(control: Control, name: str = "sec_009_example", doc: str = "A page.") -> ModuleType:
    made = ModuleType(f"catalogue.{name}", doc)
    made.__dict__["example"] = control
    return made


def test_every_high_risk_has_two_controls_and_every_control_a_specimen() -> None:
    by_risk: dict[str, list[Control]] = {}
    for found in all_controls():
        by_risk.setdefault(found.risk, []).append(found)
    for code in ("TECH-001", "TECH-003", "SEC-001", "SEC-004", "DATA-002"):
        assert len(by_risk[code]) >= 2, code
    for code in ("SEC-005", "TECH-005", "PERF-002"):
        assert by_risk[code], code
    assert all(found.specimens for found in all_controls())


def test_a_sound_module_gives_its_control() -> None:
    assert controls_of(module(example)) == [example]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (module(replace(example, id="SEC-008.1")), "expected an id of SEC-009"),
        (module(replace(example, id="SEC-009.01")), "expected an id of SEC-009"),
        (module(example, doc=""), "has no docstring"),
        (module(replace(example, specimens=())), "has no specimen"),
        (module(replace(example, not_applicable={"never": "…"})), "'never' has no specimen"),
        (
            module(replace(example, inapplicable=(Inapplicable("x", "odd", nothing),))),
            "'odd' has no specimen",
        ),
        (module(example, name="security"), "not named after its risk"),
    ],
)
def test_a_broken_control_stops_the_catalogue(broken: ModuleType, message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        controls_of(broken)


def test_select_takes_controls_and_risks_and_names_what_there_is_not() -> None:
    chosen = [found.id for found in select(all_controls(), ["PERF-002.1"], ["SEC-005"])]
    assert chosen[0] == "PERF-002.1"
    assert {"SEC-005.1", "SEC-005.4"} <= set(chosen)
    assert all(name.startswith(("PERF-002", "SEC-005")) for name in chosen)
    with pytest.raises(CatalogueError, match="no control or risk 'SEC-999'"):
        select(all_controls(), [], ["SEC-999"])
    with pytest.raises(CatalogueError, match="no control or risk 'SEC-005'"):
        select(all_controls(), ["SEC-005"])
