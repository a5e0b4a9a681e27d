"""The proof of the controls can fail itself; `drills/test_self_test.py` carries it out."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from apps.controls.control import Finding, Level
from apps.controls.discovery import all_controls, select
from apps.controls.inspection import Inspection
from apps.controls.selftest import self_test

# The worlds are scratch servers; the mark only lets this process connect at all.
pytestmark = pytest.mark.django_db


def empty(inspection: Inspection) -> Iterator[Finding]:
    """A control that says nothing, whatever it sees."""
    return iter(())


def test_an_emptied_control_does_not_survive_its_specimens() -> None:
    (control,) = select(all_controls(), ["PERF-002.1"])
    report = self_test([replace(control, judge=empty, specimens=control.specimens[:1])])
    assert report.exit_code == 1
    assert [(survivor.control, survivor.expected) for survivor in report.failures] == [
        ("PERF-002.1", "planted: fail")
    ]


def test_a_control_that_always_complains_overreaches() -> None:
    (control,) = select(all_controls(), ["PERF-002.1"])

    def complain(inspection: Inspection) -> Iterator[Finding]:
        yield Finding(Level.ERROR, "Wrong", "public.child.a", "always", "none")

    report = self_test([replace(control, judge=complain, specimens=control.specimens[:1])])
    assert {survivor.expected for survivor in report.failures} == {
        "repaired: pass",
        "near miss: pass",
    }
