"""Every item of the supplied profile is answered by what exists and runs."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from apps.controls.discovery import all_controls
from apps.risks.importer.document import ProfileDocument
from apps.risks.importer.read import read_profile
from apps.risks.traceability import ALL, PAGE, SOURCE, Item, Untraceable, page, read_items
from config.env import BASE_DIR
from tests.risks.corpus import SUPPLIED

ITEMS = read_items(SOURCE.read_text(encoding="utf-8"))
Function = ast.FunctionDef | ast.AsyncFunctionDef
# How many items of each kind stand under each risk; the supplied profile says so where it is there.
DETAILS = {
    "component": {"TECH-001": 4, "TECH-003": 3, "SEC-001": 5, "DATA-002": 4, "SEC-004": 4},
    "mitigation": {"TECH-001": 5, "TECH-003": 6, "SEC-001": 7, "DATA-002": 6, "SEC-004": 6},
    "testing_focus": dict.fromkeys(("TECH-001", "TECH-003", "SEC-001", "DATA-002", "SEC-004"), 4),
    "priority_test": {
        "TECH-001": 6, "TECH-003": 5, "SEC-001": 5, "SEC-004": 5, "DATA-002": 5, "TECH-002": 4,
        "TECH-005": 5, "PERF-001": 4, "OPS-001": 4, "OPS-002": 4, ALL: 7,
    },
    "monitoring": {ALL: 17},
    "review_trigger": {ALL: 8},
    "immediate_action": {ALL: 5},
    "documentation": {ALL: 8},
}  # fmt: skip


def counted(items: list[Item]) -> dict[str, dict[str, int]]:
    """How many items of each kind there are under each code; their places must be gapless."""
    places: dict[tuple[str, str], list[int]] = {}
    for item in items:
        places.setdefault((item.kind, item.code), []).append(item.place)
    counts: dict[str, dict[str, int]] = {}
    for (kind, code), found in places.items():
        assert found == list(range(1, len(found) + 1)), f"{kind} {code}: {found}"
        counts.setdefault(kind, {})[code] = len(found)
    return counts


def in_the_document(document: ProfileDocument) -> dict[str, dict[str, int]]:
    """The same numbers, read from a profile."""
    detailed = [risk for risk in document.risks if risk.has_detail]
    tests: dict[str, int] = {}
    for test in document.priority_tests:
        code = test.code or ALL
        tests[code] = tests.get(code, 0) + 1
    return {
        "component": {risk.code: len(risk.components) for risk in detailed},
        "mitigation": {risk.code: len(risk.mitigations) for risk in detailed},
        "testing_focus": {risk.code: len(risk.testing_focus) for risk in detailed},
        "priority_test": tests,
        "monitoring": {ALL: len(document.monitoring)},
        "review_trigger": {ALL: len(document.review_triggers)},
        "immediate_action": {ALL: len(document.immediate_actions)},
        "documentation": {ALL: len(document.documentation)},
    }


def test_every_item_of_the_profile_has_an_entry() -> None:
    assert counted(ITEMS) == DETAILS
    if SUPPLIED.exists():
        assert in_the_document(read_profile(SUPPLIED)) == DETAILS


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(ITEMS), "write it again: make docs"


def test_every_control_that_is_named_stands_in_the_catalogue() -> None:
    catalogue = {control.id for control in all_controls()}
    named = {control for item in ITEMS for control in item.controls}
    assert len(named) >= 30
    assert named - catalogue == set()


@cache
def functions_of(path: Path) -> dict[str, Function]:
    """The tests of a module by their names."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, Function)}


def problem_with(test: str, root: Path = BASE_DIR) -> str | None:
    """What is wrong with the name of a test: nothing there, or it is skipped."""
    path, separator, name = test.partition("::")
    file = root / path
    if not separator or not path.startswith(("tests/", "drills/")) or not file.is_file():
        return "there is no such file of tests"
    function = functions_of(file).get(name)
    if function is None or not name.startswith("test_"):
        return "the file has no such test"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    marks = [n for n in tree.body if isinstance(n, ast.Assign) and "pytestmark" in ast.unparse(n)]
    said = "\n".join(map(ast.unparse, [*function.decorator_list, *marks]))
    if re.search(r"\b(skip|skipif|xfail|importorskip)\b", said):
        return "it is marked as skipped"
    if re.search(r"\bpytest\.(skip|xfail|importorskip)\b", ast.unparse(function)):
        return "it skips itself"
    return None


@pytest.mark.parametrize("test", sorted({test for item in ITEMS for test in item.tests}))
def test_every_test_that_is_named_exists_and_is_not_skipped(test: str) -> None:
    assert problem_with(test) is None


def test_a_name_that_leads_nowhere_or_to_a_skipped_test_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text(
        "import pytest\n"
        "def test_sound(): assert True\n"
        "@pytest.mark.skipif(True, reason='')\ndef test_marked(): assert True\n"
        "def test_itself():\n    pytest.skip('not today')\n"
    )
    found = {
        name: problem_with(f"tests/test_a.py::{name}", tmp_path)
        for name in ("test_sound", "test_marked", "test_itself", "test_gone")
    }
    assert found == {
        "test_sound": None,
        "test_marked": "it is marked as skipped",
        "test_itself": "it skips itself",
        "test_gone": "the file has no such test",
    }
    assert problem_with("tests/test_b.py::test_sound", tmp_path) == "there is no such file of tests"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("is = 'nothing'", "either `by`, a list of ids, or a `reason`"),
        ("is = 'both', by = ['SEC-001.1'], reason = 'none'", "either `by`"),
        ("is = '', by = ['SEC-001.1']", "`is` in words"),
    ],
)
def test_an_entry_without_an_answer_is_refused(entry: str, said: str) -> None:
    with pytest.raises(Untraceable, match=said):
        read_items(f"[mitigation.SEC-001]\n1 = {{ {entry} }}\n")


def test_reasons_are_few() -> None:
    reasons = [item.name for item in ITEMS if item.reason]
    assert len(reasons) * 20 <= len(ITEMS) + 20, reasons
